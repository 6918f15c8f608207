// acetate login, logout: names and passwords for registries, in the files that podman and docker read too.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstring>
#include <istream>
#include <memory>
#include <ostream>

#include "base/log.h"
#include "base/sys/terminal.h"
#include "cli/command.h"
#include "cli/remote_options.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string registry, username, password;
  bool password_stdin = false, get_login = false, all = false;
  RemoteFlags remote;
};

// "https://index.docker.io/v1/" as docker has it, "docker://quay.io", "quay.io/team".
Result<std::string> registry_name(std::string text) {
  for (const char* scheme : {"https://", "http://", "docker://"})
    if (text.starts_with(scheme)) text.erase(0, std::strlen(scheme));
  while (text.ends_with('/')) text.pop_back();
  if (text == "index.docker.io/v1" || text == "index.docker.io" || text == "registry-1.docker.io")
    text = "docker.io";
  if (text.empty() || text.find_first_of(" \t\r\n@") != std::string::npos)
    return fail(EINVAL, "\"{}\" is no registry", text);
  return text;
}

std::string without_line_end(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

Result<std::string> ask_username(const Context& context) {
  context.streams.err << "Username: " << std::flush;
  std::string name;
  if (!std::getline(context.streams.in, name) || name.empty())
    return fail(EINVAL, "no name was given; give one by -u");
  return name;
}

Result<std::string> read_password(const Options& options, const Context& context) {
  if (options.password_stdin) {
    std::string password((std::istreambuf_iterator<char>(context.streams.in)), {});
    password = without_line_end(std::move(password));
    if (password.empty()) return fail(EINVAL, "there is no password on standard input");
    return password;
  }
  if (!options.password.empty()) return options.password;
  if (!context.streams.tty) return fail(EINVAL, "no password was given; give it by --password-stdin");
  auto typed = TRY_WITHIN(sys::read_unseen_line("Password: "), "asking for the password");
  if (typed.empty()) return fail(EINVAL, "no password was given");
  return typed;
}

Result<int> login(const Options& options, const Context& context) {
  const auto name = TRY(registry_name(options.registry));
  const auto remotes = TRY(open_remotes(options.remote));
  if (options.get_login) {
    const auto found = TRY(remotes->credentials().find(name));
    if (!found) return fail(ENOENT, "there is no login for {}", name);
    context.streams.out << found->username << '\n';
    return 0;
  }
  registry::Login login{.username = options.username, .secret = {}};
  if (login.username.empty() && options.password_stdin)
    return fail(EINVAL, "--password-stdin needs the name, by -u");
  if (login.username.empty()) login.username = TRY(ask_username(context));
  login.secret = TRY(read_password(options, context));
  const auto host = name.substr(0, name.find('/'));
  TRY(TRY(remotes->host(host, remotes->is_insecure(host), login))->check_login());
  TRY(remotes->credentials().store(name, login));
  context.streams.out << "Login Succeeded!\n";
  return 0;
}

Result<int> logout(const Options& options, const Context& context) {
  const auto remotes = TRY(open_remotes(options.remote));
  if (options.all) {
    TRY(remotes->credentials().erase_all());
    context.streams.out << "Removed login credentials for all registries\n";
    return 0;
  }
  if (options.registry.empty()) return fail(EINVAL, "logout of which registry? --all is all of them");
  const auto name = TRY(registry_name(options.registry));
  if (!TRY(remotes->credentials().erase(name)))
    return fail(ENOENT, "there is no login for {} in {}", name, remotes->credentials().written_to());
  context.streams.out << fmt::format("Removed login credentials for {}\n", name);
  return 0;
}

}  // namespace

Runner login_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("REGISTRY", options->registry, "HOST[:PORT][/PATH]")->required();
  app.add_option("-u,--username", options->username, "the name")->type_name("");
  app.add_option("-p,--password", options->password,
                 "the password, for everybody on this machine to see: rather --password-stdin")
      ->type_name("");
  app.add_flag("--password-stdin", options->password_stdin, "read the password from standard input");
  app.add_flag("--get-login", options->get_login, "say the name we are logged in by");
  add_remote_options(app, options->remote, false);
  return [options](const Context& context) { return login(*options, context); };
}

Runner logout_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("REGISTRY", options->registry, "HOST[:PORT][/PATH]");
  app.add_flag("-a,--all", options->all, "of every registry");
  app.add_option("--authfile", options->remote.authfile, "the file with logins, if not the usual ones")
      ->type_name("");
  return [options](const Context& context) { return logout(*options, context); };
}

}  // namespace acetate::cli
