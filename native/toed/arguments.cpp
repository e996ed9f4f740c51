// SPDX-License-Identifier: Apache-2.0
#include "toed/arguments.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "toed/options.h"

namespace mango::toed {

namespace {

using std::string;
using std::string_view;

Failure usage(string sentence) {
  return {ExitCode::usage, std::move(sentence) + "; `mango-toed --help` says more"};
}

const CommandFacts& facts_of(Command command) noexcept {
  return *std::find_if(all_commands().begin(), all_commands().end(),
                       [command](const CommandFacts& facts) { return facts.command == command; });
}

// Asked for anywhere, help and version win.
std::optional<Command> overriding(string_view word) noexcept {
  if (word == "--help" || word == "-h") return Command::help;
  if (word == "--version") return Command::version;
  return std::nullopt;
}

// Takes argv[at], and the next word if that is its value.
Outcome take_option(Typed& typed, std::span<const string> argv, size_t& at) {
  const string_view word = argv[at];
  const size_t equals = word.find('=');
  const string_view name = word.substr(0, equals);
  const auto options = all_options();
  const auto option =
      std::find_if(options.begin(), options.end(), [name](const Option& each) { return each.name == name; });
  if (option == options.end()) return usage("there is no option " + string(name));
  const string_view command = facts_of(typed.arguments.command).name;
  if ((option->commands & bit_of(typed.arguments.command)) == 0)
    return usage("`mango-toed " + string(command) + "` has no option " + string(name));
  string value;
  if (option->value.empty()) {
    if (equals != string_view::npos) return usage(string(name) + " takes no value");
  } else if (equals != string_view::npos) {
    value = word.substr(equals + 1);
  } else if (++at < argv.size()) {
    value = argv[at];
  } else {
    return usage(string(name) + " needs a value: " + string(option->wanted));
  }
  if (option->take(typed, value)) return std::nullopt;
  return usage(string(name) + " wants " + string(option->wanted) + ", not \"" + value + '"');
}

// Lists with one entry per device are empty or complete: whom a lone name is meant for would be a guess.
Outcome check_count(string_view option, size_t given, size_t devices) {
  if (given == 0 || given == devices) return std::nullopt;
  return usage(string(option) + " is given " + std::to_string(given) + " times for " +
               std::to_string(devices) + (devices == 1 ? " device" : " devices") +
               ": give it once per device, in order");
}

Outcome put_devices_together(Typed& typed) {
  if (!typed.netns.empty() && !typed.veths.empty())
    return usage("--netns and --veth exclude each other: one names a namespace that is there, one makes it");
  if (!typed.addresses.empty() && !typed.veths.empty())
    return usage("--ip and --veth exclude each other: --veth has the address");
  const size_t named = std::max(
      {size_t{1}, typed.netns.size(), typed.veths.size(), typed.addresses.size(), typed.macs.size()});
  const size_t devices = typed.devices ? static_cast<size_t>(*typed.devices) : named;
  for (const auto& [option, given] :
       {std::pair{"--netns", typed.netns.size()}, std::pair{"--veth", typed.veths.size()},
        std::pair{"--ip", typed.addresses.size()}, std::pair{"--mac", typed.macs.size()}})
    if (auto failure = check_count(option, given, devices)) return failure;
  if (devices > kMaxDevices) return usage("there can be 64 devices at most");

  typed.arguments.devices.resize(devices);
  for (size_t i = 0; i < devices; ++i) {
    DeviceOptions& device = typed.arguments.devices[i];
    if (!typed.netns.empty()) device.netns = typed.netns[i];
    if (!typed.veths.empty()) {
      device.veth = typed.veths[i];
      device.netns = typed.veths[i].name;
    }
    if (!typed.addresses.empty()) {
      device.address = typed.addresses[i].address;
      device.prefix = typed.addresses[i].prefix;
    }
    if (!typed.macs.empty()) device.mac = typed.macs[i];
  }
  return std::nullopt;
}

Outcome check_words(const Arguments& arguments) {
  const CommandFacts& facts = facts_of(arguments.command);
  const size_t given = arguments.words.size();
  if (given >= facts.least_words && given <= facts.most_words) return std::nullopt;
  if (given > facts.most_words && facts.most_words == 0)
    return usage("\"" + arguments.words[0] + "\" is no command and no option");
  return usage("the form is `mango-toed " + string(facts.usage) + '`');
}

Outcome check_channels(Arguments& arguments) {
  if (arguments.ipc.empty()) arguments.ipc.emplace_back(kDefaultIpc);
  if (arguments.command != Command::run && arguments.ipc.size() > 1)
    return usage("one --ipc is enough to ask");
  for (auto each = arguments.ipc.begin(); each != arguments.ipc.end(); ++each)
    if (std::find(arguments.ipc.begin(), each, *each) != each)
      return usage("--ipc " + *each + " is there twice");
  return std::nullopt;
}

}  // namespace

Outcome parse_arguments(const std::vector<string>& argv, Arguments& out) {
  Typed typed{.arguments = out, .devices = {}, .netns = {}, .veths = {}, .addresses = {}, .macs = {}};
  size_t at = 0;
  if (!argv.empty()) {
    const auto commands = all_commands();
    const auto named = std::find_if(commands.begin(), commands.end(),
                                    [&](const CommandFacts& facts) { return facts.name == argv[0]; });
    if (named != commands.end()) {
      out.command = named->command;
      at = 1;
    }
  }
  for (bool options = true; at < argv.size(); ++at) {
    const string& word = argv[at];
    if (const auto command = overriding(word); options && command) {
      out.command = *command;
      return std::nullopt;
    }
    if (options && word == "--") {
      options = false;  // what follows are words: `set -- FIELD -1`
    } else if (options && word.starts_with('-') && word.size() > 1) {
      if (auto failure = take_option(typed, argv, at)) return failure;
    } else {
      out.words.push_back(word);
    }
  }
  if (auto failure = check_words(out)) return failure;
  if (auto failure = check_channels(out)) return failure;
  return put_devices_together(typed);
}

}  // namespace mango::toed
