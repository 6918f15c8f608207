#include "builder/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <compare>

namespace acetate::build {

namespace {

bool before(timespec a, timespec b) { return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec; }

timespec clock_now(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now;
}

}  // namespace

Result<std::int64_t> parse_epoch(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0)
    return fail(EINVAL, "invalid SOURCE_DATE_EPOCH: {}: it is seconds since 1970, \"context\", or the name of a --build-context or a stage", text);
  return seconds;
}

std::string TimeRule::str() const {
  switch (kind) {
    case Kind::logical: return "logical";
    case Kind::epoch: return "epoch";
    case Kind::keep: return "keep";
  }
  return {};
}

// File systems stamp with the coarse clock, which lags behind the precise one by up to a tick.
StepClock::StepClock(const TimeRule& rule, std::int64_t previous)
    : rule_(rule), now_(previous + 1), began_(clock_now(CLOCK_REALTIME_COARSE)) {
  if (rule.kind == TimeRule::Kind::epoch) now_ = rule.epoch;
  if (rule.kind == TimeRule::Kind::keep) now_ = began_.tv_sec;
}

// Many a tool that copies a time keeps whole seconds of it, or microseconds (busybox cp -a, tar, utimes(2)).
bool StepClock::is_own(timespec time) const {
  timespec began = began_;
  if (time.tv_nsec == 0) began.tv_nsec = 0;
  else if (time.tv_nsec % 1000 == 0) began.tv_nsec -= began.tv_nsec % 1000;
  return !before(time, began) && !before(clock_now(CLOCK_REALTIME), time);
}

void StepClock::learn_output(timespec time) {
  if (!is_own(time)) learn_content(time);
}

void StepClock::learn_content(timespec time) {
  if (rule_.kind == TimeRule::Kind::logical && before(time, began_)) now_ = std::max(now_, std::int64_t{time.tv_sec});
}

timespec StepClock::of_output(timespec time) const {
  return rule_.kind == TimeRule::Kind::logical && is_own(time) ? stamp() : of_content(time);
}

timespec StepClock::of_content(timespec time) const {
  return rule_.kind == TimeRule::Kind::epoch && time.tv_sec >= now_ ? stamp() : time;
}

timespec StepClock::of_copy(timespec time) const {
  return rule_.kind == TimeRule::Kind::logical ? stamp() : of_content(time);
}

std::string format_time(std::int64_t seconds) {
  using namespace std::chrono;
  const sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

std::optional<std::int64_t> parse_time(const std::string& text) {
  using namespace std::chrono;
  int year = 0;
  unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u%n", &year, &month, &day, &hour, &minute, &second, &used) != 6)
    return std::nullopt;
  const year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  std::int64_t seconds = sys_seconds(sys_days(date)).time_since_epoch().count() + hour * 3600 + minute * 60 + second;
  std::size_t at = static_cast<std::size_t>(used);
  if (at < text.size() && text[at] == '.') at = std::min(text.find_first_not_of("0123456789", at + 1), text.size());
  if (text.substr(at) == "Z") return seconds;
  char sign = '\0';
  unsigned offset_hours = 0, offset_minutes = 0;
  if (std::sscanf(text.c_str() + at, "%c%2u:%2u", &sign, &offset_hours, &offset_minutes) != 3) return std::nullopt;
  if (sign != '+' && sign != '-') return std::nullopt;
  const std::int64_t offset = std::int64_t{offset_hours} * 3600 + std::int64_t{offset_minutes} * 60;
  return sign == '+' ? seconds - offset : seconds + offset;
}

}  // namespace acetate::build
