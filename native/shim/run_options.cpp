// SPDX-License-Identifier: Apache-2.0
#include "shim/run_options.h"

#include <getopt.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "shim/settings.h"

namespace mango::shim {

const char kRunHelp[] =
    "Usage: mango-run [OPTION]... PROGRAM [ARGUMENT]...\n"
    "\n"
    "Runs PROGRAM, unmodified, with its TCP sockets on the mango offload engine.\n"
    "\n"
    "  --engine kernel|device  kernel: TCP of this system, in the process (default)\n"
    "                          device: TCP of a mango-toed, over shared memory\n"
    "  --ipc ADDRESS           the device's channel: HOST:PORT or iceoryx:NAME\n"
    "                          (default 127.0.0.1:32847)\n"
    "  --device N              the device's number (default 0)\n"
    "  --log FILE              appends a few lines about each process to FILE\n"
    "  -v, --verbose           the same, to standard error\n"
    "  -h, --help              this text\n"
    "\n"
    "Examples:\n"
    "  mango-run nginx -c /etc/nginx/nginx.conf\n"
    "  mango-run --engine device --ipc 127.0.0.1:32847 iperf3 --server\n"
    "\n"
    "Options may be given in the environment, too: MANGO_ENGINE, MANGO_IPC, MANGO_DEVICE,\n"
    "MANGO_LOG (a file, or - for standard error). Children of PROGRAM inherit all of them.\n"
    "Statically linked, Go and set-user-ID programs take no preloaded library: they run as ever,\n"
    "with a warning.\n"
    "\n"
    "Exit status: PROGRAM's own, or 125 if mango-run fails, 126 if PROGRAM cannot be run,\n"
    "127 if it is not found.\n";

namespace {

enum Option : int { kEngine = 256, kIpc, kDevice, kLog };

const option kOptions[] = {
    {"engine", required_argument, nullptr, kEngine},
    {"ipc", required_argument, nullptr, kIpc},
    {"device", required_argument, nullptr, kDevice},
    {"log", required_argument, nullptr, kLog},
    {"verbose", no_argument, nullptr, 'v'},
    {"help", no_argument, nullptr, 'h'},
    {nullptr, 0, nullptr, 0},
};

std::string inherited(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value && *value ? value : otherwise;
}

bool is_number(const std::string& text) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc() && read.ptr == end;
}

bool check(const RunOptions& options, std::string& sentence) {
  if (options.engine != kKernelEngine && options.engine != kDeviceEngine) {
    sentence = "--engine is kernel or device, not \"" + options.engine + "\"";
  } else if (!is_number(options.device)) {
    sentence = "--device is a number, not \"" + options.device + "\"";
  } else if (!options.program[0]) {
    sentence = "which program? See mango-run --help";
  }
  return sentence.empty();
}

}  // namespace

bool read_options(int argc, char* argv[], RunOptions& options, std::string& sentence) {
  options.engine = inherited(kEngineVariable, kKernelEngine);
  options.ipc = inherited(kIpcVariable, kDefaultIpc);
  options.device = inherited(kDeviceVariable, "0");
  opterr = 0;
  for (;;) {
    const int found = getopt_long(argc, argv, "+:vh", kOptions, nullptr);
    if (found < 0) break;
    switch (found) {
      case kEngine:
        options.engine = optarg;
        break;
      case kIpc:
        options.ipc = optarg;
        break;
      case kDevice:
        options.device = optarg;
        break;
      case kLog:
        options.log = optarg;
        break;
      case 'v':
        options.log = kLogToStderr;
        break;
      case 'h':
        options.help = true;
        return true;
      case ':':
        sentence = std::string(argv[optind - 1]) + " needs a value";
        return false;
      default:
        sentence = "unknown option " + std::string(argv[optind - 1]) + "; see mango-run --help";
        return false;
    }
  }
  options.program = argv + optind;
  return check(options, sentence);
}

}  // namespace mango::shim
