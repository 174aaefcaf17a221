// SPDX-License-Identifier: Apache-2.0
#include "pki_command.h"

#include <cstdio>
#include <ctime>

#include "control/security/pki_show.h"

namespace dwcp::ctl {
namespace {

Exit exit_of(pki::FaultKind kind) {
  switch (kind) {
    case pki::FaultKind::kUsage:
      return Exit::kUsage;
    case pki::FaultKind::kDenied:
      return Exit::kDenied;
    case pki::FaultKind::kFailed:
      break;
  }
  return Exit::kFailed;
}

}  // namespace

PkiCommand::PkiCommand(CLI::App& app)
    : pki_(app.add_subcommand("pki", "Makes a CA, certificates and pre-shared keys for gateways; needs no gateway")) {
  pki_->require_subcommand(1);

  CLI::App* init = add("init", "Makes a CA: ca.key and ca.crt",
                       [this](std::int64_t now) { return pki::init(dir_, name_, ca_days_, now); });
  add_dir(init, "The folder for it, made if it is not there");
  init->add_option("--name", name_, "The CA's name (default: \"DWCP CA\" and a random number)");
  add_days(init, "How long it is valid", ca_days_);

  CLI::App* issue = add("issue", "Makes a gateway's NAME.key and NAME.crt",
                        [this](std::int64_t now) { return pki::issue(dir_, name_, gateway_days_, out_, force_, now); });
  issue->add_option("NAME", name_, "The gateway's gateway.name")->required();
  add_dir(issue, "The CA's folder");
  issue->add_option("--out", out_, "The folder for the two files (default: the CA's)");
  add_days(issue, "How long the certificate is valid", gateway_days_);
  issue->add_flag("--force", force_, "Replace NAME.crt; NAME.key, if it is there, is kept and certified again");

  CLI::App* revoke = add("revoke", "Revokes certificates: ca.crl",
                         [this](std::int64_t now) { return pki::revoke(dir_, name_, crl_days_, now); });
  revoke->add_option("NAME|SERIAL", name_, "A gateway's name, for all it was issued, or one serial number")->required();
  add_dir(revoke, "The CA's folder");
  add_days(revoke, "How long the list is good", crl_days_);

  CLI::App* crl = add("crl", "Signs ca.crl anew, before it is out of date",
                      [this](std::int64_t now) { return pki::renew_crl(dir_, crl_days_, now); });
  add_dir(crl, "The CA's folder");
  add_days(crl, "How long the list is good", crl_days_);

  CLI::App* show = add("show", "Shows what certificates and lists say; keys are never shown",
                       [this](std::int64_t now) { return pki::show(file_, now); });
  show->add_option("FILE", file_, "A PEM file, or a psk_file")->required();

  CLI::App* psk =
      add("psk", "Makes a key that two gateways share", [this](std::int64_t) { return pki::write_psk(file_); });
  psk->add_option("FILE", file_, "The file to make")->required();
}

CLI::App* PkiCommand::add(const std::string& name, const std::string& help,
                          std::function<pki::Result(std::int64_t now_unix_s)> act) {
  CLI::App* command = pki_->add_subcommand(name, help);
  command->callback([this, act = std::move(act)] { act_ = act; });
  return command;
}

void PkiCommand::add_dir(CLI::App* command, const std::string& help) {
  command->add_option("--dir", dir_, help)->required();
}

void PkiCommand::add_days(CLI::App* command, const std::string& help, unsigned& days) {
  command->add_option("--days", days, help)->capture_default_str()->check(CLI::Range(1U, pki::kDaysMax));
}

Exit PkiCommand::run() const {
  const auto done = act_(std::time(nullptr));
  if (!done) {
    std::fprintf(stderr, "dwcpctl: %s\n", done.error().text.c_str());
    return exit_of(done.error().kind);
  }
  const bool written = std::fwrite(done->data(), 1, done->size(), stdout) == done->size() && std::fflush(stdout) == 0;
  return written ? Exit::kOk : Exit::kFailed;
}

}  // namespace dwcp::ctl
