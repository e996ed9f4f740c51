// SPDX-License-Identifier: Apache-2.0
#include "http/status.h"

#include <algorithm>

namespace mango::http {

namespace {

constexpr int64_t kSecondsPerDay = 86400;
constexpr int64_t kLastSecond = 253402300799;  // 9999-12-31T23:59:59Z

struct Phrase {
  uint16_t status;
  std::string_view text;
};

// Sorted by status.
constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {511, "Network Authentication Required"},
};

struct CivilDate {
  int64_t year;
  int month;  // 1..12
  int day;    // 1..31
};

// Days since 1970-01-01 to a date: eras of 400 years that begin in March put the leap day last.
CivilDate civil_from_days(int64_t days) noexcept {
  const int64_t shifted = days + 719468;
  const int64_t era = shifted / 146097;
  const int64_t day_of_era = shifted % 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const auto day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  const auto month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

char* put(char* at, std::string_view text) noexcept {
  return std::copy(text.begin(), text.end(), at);
}

char* put_digits(char* at, int64_t value, int digits) noexcept {
  for (int i = digits - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
  return at + digits;
}

std::string_view class_phrase(uint16_t status) noexcept {
  constexpr std::string_view kClasses[] = {"Informational", "Success", "Redirection", "Client Error",
                                           "Server Error"};
  return status >= 100 && status < 600 ? kClasses[status / 100 - 1] : "Unknown";
}

}  // namespace

std::string_view reason_phrase(uint16_t status) noexcept {
  const auto* const found =
      std::lower_bound(std::begin(kPhrases), std::end(kPhrases), status,
                       [](const Phrase& phrase, uint16_t code) { return phrase.status < code; });
  return found != std::end(kPhrases) && found->status == status ? found->text : class_phrase(status);
}

std::string_view format_http_date(int64_t unix_seconds, std::array<char, kHttpDateBytes>& memory) noexcept {
  constexpr std::string_view kDays = "ThuFriSatSunMonTueWed";  // 1970-01-01 was a Thursday
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const int64_t time = std::clamp<int64_t>(unix_seconds, 0, kLastSecond);
  const int64_t days = time / kSecondsPerDay;
  const int64_t second = time % kSecondsPerDay;
  const CivilDate date = civil_from_days(days);
  char* at = put(memory.data(), kDays.substr(static_cast<size_t>(days % 7) * 3, 3));
  at = put_digits(put(at, ", "), date.day, 2);
  at = put(put(at, " "), kMonths.substr(static_cast<size_t>(date.month - 1) * 3, 3));
  at = put_digits(put(at, " "), date.year, 4);
  at = put_digits(put(at, " "), second / 3600, 2);
  at = put_digits(put(at, ":"), second / 60 % 60, 2);
  at = put_digits(put(at, ":"), second % 60, 2);
  put(at, " GMT");
  return {memory.data(), memory.size()};
}

}  // namespace mango::http
