// SPDX-License-Identifier: Apache-2.0
#include "toed/options.h"

#include <array>

namespace mango::toed {

namespace {

using std::string;
using std::string_view;

// The end of a veth pair outside is called "mg-NAME", and Linux's limit for that is 15.
constexpr size_t kLongestVethName = 12;
constexpr uint64_t kLongestSpinUs = 1000;
constexpr uint64_t kLeastBufferBytes = 4096;
constexpr uint64_t kMostBufferBytes = uint64_t{16} * 1024 * 1024;

constexpr unsigned kRun = bit_of(Command::run);
constexpr unsigned kAsking = bit_of(Command::status) | bit_of(Command::get) | bit_of(Command::set) |
                             bit_of(Command::reset) | bit_of(Command::health);
constexpr unsigned kAll = ~0U;

bool is_buffer_size(const std::optional<uint64_t>& size) noexcept {
  return size && *size >= kLeastBufferBytes && *size <= kMostBufferBytes && (*size & (*size - 1)) == 0;
}

bool take_buffer(string& bytes, const string& value) {
  const auto size = parse_size(value);
  if (!is_buffer_size(size)) return false;
  bytes = std::to_string(*size);
  return true;
}

bool take_number(string& number, const string& value, uint64_t least, uint64_t most) {
  const auto parsed = parse_number(value);
  if (!parsed || *parsed < least || *parsed > most) return false;
  number = std::to_string(*parsed);
  return true;
}

bool take_netns(Typed& typed, const string& value) {
  for (string& name : split(value, ',')) {
    if (!is_netns_name(name)) return false;
    typed.netns.push_back(std::move(name));
  }
  return true;
}

bool take_veth(Typed& typed, const string& value) {
  std::vector<string> parts = split(value, ',');
  if (parts.size() < 2 || parts.size() > 3) return false;
  const auto network = parse_network(parts[1]);
  if (!is_netns_name(parts[0]) || parts[0].size() > kLongestVethName || !network) return false;
  VethOptions veth{.name = parts[0], .address = network->address, .prefix = network->prefix, .gateway = {}};
  if (parts.size() == 3) veth.gateway = parts[2];
  if (parts.size() == 3 &&
      (veth.gateway == veth.address || !same_network(veth.gateway, veth.address, veth.prefix)))
    return false;
  typed.veths.push_back(std::move(veth));
  return true;
}

bool take_address(Typed& typed, const string& value) {
  auto network = parse_network(value);
  if (!network) return false;
  typed.addresses.push_back(std::move(*network));
  return true;
}

bool take_log(Typed& typed, const string& value) {
  if (value != "text" && value != "json") return false;
  typed.arguments.log = value == "json" ? LogFormat::json : LogFormat::text;
  return true;
}

bool take_access(Typed& typed, const string& value) {
  constexpr string_view kGroup = "group:";
  typed.arguments.access = value;
  return value == "owner" || value == "all" || (value.starts_with(kGroup) && value.size() > kGroup.size());
}

constexpr string_view kSizeWanted = "a power of two from 4KiB to 16MiB, such as 128KiB";

constexpr std::array kOptions = {
    Option{"--ipc", "ADDRESS", kAll,
           "where clients ask: HOST:PORT (gRPC; port 0: any) or iceoryx:NAME; run: repeat it for several "
           "[localhost:32847]",
           [](Typed& t, const string& v) {
             t.arguments.ipc.push_back(v);
             return !v.empty();
           },
           "HOST:PORT or iceoryx:NAME"},
    Option{"--devices", "N", kRun, "how many devices, numbered from 0 [1, or as many as namespaces]",
           [](Typed& t, const string& v) {
             t.devices = parse_number(v);
             return t.devices && *t.devices >= 1 && *t.devices <= kMaxDevices;
           },
           "a number from 1 to 64"},
    Option{"--netns", "NAME[,NAME...]", kRun, "the network namespace each device lives in", take_netns,
           "names as in `ip netns list`, one per device, separated by commas"},
    Option{
        "--veth", "NAME,ADDRESS/PREFIX[,GATEWAY]", kRun,
        "make namespace NAME with a veth pair (eth0 inside, mg-NAME outside, which gets GATEWAY), and remove "
        "it at the end; repeat it for each device",
        take_veth,
        "NAME,ADDRESS/PREFIX[,GATEWAY]: a name of at most 12 characters and IPv4 addresses of one network, "
        "as "
        "in blue,10.9.0.2/24,10.9.0.1"},
    Option{"--ip", "ADDRESS/PREFIX", kRun, "the device's address; repeat it for each device", take_address,
           "an IPv4 address with its prefix, as in 10.9.0.2/24"},
    Option{"--mac", "MAC", kRun, "the device's MAC address; repeat it for each device",
           [](Typed& t, const string& v) {
             t.macs.push_back(v);
             return is_mac(v);
           },
           "six pairs of hex digits, not a group's, as in 02:00:00:00:00:01"},
    Option{"--rx-buffer", "SIZE", kRun, "receive buffer of a session [128KiB]",
           [](Typed& t, const string& v) { return take_buffer(t.arguments.rx_buffer_bytes, v); },
           kSizeWanted},
    Option{"--tx-buffer", "SIZE", kRun, "send buffer of a session [128KiB]",
           [](Typed& t, const string& v) { return take_buffer(t.arguments.tx_buffer_bytes, v); },
           kSizeWanted},
    Option{"--max-sessions", "N", kRun, "sessions of a device [what the descriptor limit allows]",
           [](Typed& t, const string& v) { return take_number(t.arguments.max_sessions, v, 1, UINT32_MAX); },
           "a number from 1"},
    Option{"--spin", "US", kRun, "microseconds a device looks for work before it sleeps [the device's own]",
           [](Typed& t, const string& v) { return take_number(t.arguments.spin_us, v, 0, kLongestSpinUs); },
           "microseconds, at most 1000"},
    Option{"--access", "WHO", kRun,
           "who may use devices besides root and mango-toed's own user: owner (nobody), group:NAME, or all "
           "users "
           "of the machine [owner]",
           take_access, "owner, group:NAME or all"},
    Option{"--log", "json|text", kRun, "how messages are written [text]", take_log, "json or text"},
    Option{"--pid-file", "PATH", kRun, "where to write the process id once ready",
           [](Typed& t, const string& v) {
             t.arguments.pid_file = v;
             return !v.empty();
           },
           "a path"},
    Option{"--device", "N", kAsking, "which device [0; status and health: all]",
           [](Typed& t, const string& v) {
             const auto number = parse_number(v);
             if (!number || *number >= kMaxDevices) return false;
             t.arguments.device = static_cast<int>(*number);
             return true;
           },
           "a number from 0 to 63"},
    Option{"--json", "", bit_of(Command::status), "print a JSON document",
           [](Typed& t, const string&) { return t.arguments.json = true; }, ""},
    Option{"--preserve", "", bit_of(Command::reset), "keep the device's addresses",
           [](Typed& t, const string&) { return t.arguments.preserve = true; }, ""},
};

constexpr size_t kMostFields = 64;
constexpr std::array kCommands = {
    CommandFacts{"run", Command::run, 0, 0, "[run] [options]", "run devices until SIGTERM or SIGINT"},
    CommandFacts{"status", Command::status, 0, 0, "status [--device N] [--json]",
                 "what the devices are doing: state, addresses, sessions, counters"},
    CommandFacts{"get", Command::get, 1, kMostFields, "get FIELD...",
                 "values of fields, a line each; device.fields lists them"},
    CommandFacts{"set", Command::set, 2, 2, "set FIELD VALUE", "change a field"},
    CommandFacts{"reset", Command::reset, 0, 0, "reset [--preserve]",
                 "end all sessions of a device with DEVICE_RESET, and wait until it is ready again"},
    CommandFacts{"health", Command::health, 0, 0, "health",
                 "for probes: exit 0 if the devices are ready, else 1"},
    CommandFacts{"version", Command::version, 0, 0, "version", "the version"},
    CommandFacts{"help", Command::help, 0, 0, "help", "this text"},
};

}  // namespace

std::span<const Option> all_options() noexcept {
  return kOptions;
}

std::span<const CommandFacts> all_commands() noexcept {
  return kCommands;
}

}  // namespace mango::toed
