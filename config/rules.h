// SPDX-License-Identifier: Apache-2.0
// The second of two passes over a file: what must hold between keys (config/config.h, invariants I1-I5).  Control
// thread, start-up and reload only.
#pragma once

#include "config/reader.h"

namespace dwcp {

// Adds an error to the reader for each rule broken.  Keys that the first pass refused are left out of the reasoning.
void check_rules(Reader& reader);

}  // namespace dwcp
