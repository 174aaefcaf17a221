// SPDX-License-Identifier: Apache-2.0
// `dwcpctl pki ...`: the command line of control/security/pki_site.h.  Needs no gateway.
//
//   PkiCommand pki(app);             adds the subcommands
//   app.parse(argc, argv);
//   if (pki.chosen()) return pki.run();
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "client.h"
#include "control/security/pki_site.h"

namespace dwcp::ctl {

class PkiCommand {
 public:
  explicit PkiCommand(CLI::App& app);
  PkiCommand(const PkiCommand&) = delete;  // the parser holds addresses in it
  PkiCommand& operator=(const PkiCommand&) = delete;

  [[nodiscard]] bool chosen() const noexcept { return pki_->parsed(); }
  [[nodiscard]] Exit run() const;

 private:
  CLI::App* add(const std::string& name, const std::string& help,
                std::function<pki::Result(std::int64_t now_unix_s)> act);
  void add_dir(CLI::App* command, const std::string& help);
  void add_days(CLI::App* command, const std::string& help, unsigned& days);

  CLI::App* pki_;
  std::function<pki::Result(std::int64_t now_unix_s)> act_;
  std::string dir_;
  std::string name_;
  std::string out_;
  std::string file_;
  unsigned ca_days_ = pki::kCaDays;
  unsigned gateway_days_ = pki::kGatewayDays;
  unsigned crl_days_ = pki::kCrlDays;
  bool force_ = false;
};

}  // namespace dwcp::ctl
