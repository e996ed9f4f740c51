// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>

#include "toed/options.h"

namespace mango::toed {

namespace {

using std::string;
using std::string_view;

constexpr size_t kLineWidth = 100;
constexpr size_t kLeftWidth = 36;

// Two columns, the right one broken between words.
void append_columns(string& text, string_view left, string_view right) {
  string line = "  " + string(left);
  line.append(line.size() < kLeftWidth ? kLeftWidth - line.size() : 2, ' ');
  size_t start = line.size();  // of the words on this line
  for (const string& word : split(right, ' ')) {
    if (line.size() > start && line.size() + 1 + word.size() > kLineWidth) {
      text += line + '\n';
      line = string(kLeftWidth, ' ');
      start = line.size();
    }
    line += (line.size() > start ? " " : "") + word;
  }
  text += line + '\n';
}

}  // namespace

string help_text() {
  string text =
      "mango-toed: TCP for other processes, as an offload device would do it\n\n"
      "Usage: mango-toed [COMMAND] [options]\n\n";
  for (const CommandFacts& facts : all_commands()) append_columns(text, facts.usage, facts.help);
  text += "\nOptions:\n";
  for (const Option& option : all_options())
    append_columns(text, string(option.name) + (option.value.empty() ? "" : " ") + string(option.value),
                   option.help);
  text +=
      "\nExamples:\n"
      "  mango-toed                                            one device, on localhost:32847\n"
      "  mango-toed --ipc localhost:32847 --ipc iceoryx:toe --devices 2\n"
      "  mango-toed --netns blue,green                         devices 0 and 1, each in a namespace of its "
      "own\n"
      "  mango-toed --veth blue,10.9.0.2/24,10.9.0.1           make the namespace, too\n"
      "  mango-toed status\n"
      "  mango-toed get device.ip sessions.open\n"
      "  mango-toed set --device 1 device.ip 10.9.0.7\n"
      "  mango-toed health || systemctl restart mango-toed\n"
      "\nSignals: SIGTERM and SIGINT end all sessions and exit 0, a second one ends the process at once "
      "(exit "
      "128 + N);\nSIGHUP is ignored.\n"
      "\nExit codes:\n"
      "  0  success\n"
      "  1  failed; health: not ready\n"
      "  2  wrong usage, or a value that the device refuses\n"
      "  3  the address or name is in use, or not this machine's\n"
      "  4  not permitted\n"
      "  5  no mango-toed answers at the address\n"
      "  6  no such device, field or namespace\n"
      "  7  a library or program that is needed is not installed (gRPC, iceoryx, iproute2)\n";
  return text;
}

}  // namespace mango::toed
