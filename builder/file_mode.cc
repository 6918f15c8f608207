#include "builder/file_mode.h"

#include <sys/stat.h>

namespace acetate::build {

namespace {

constexpr mode_t kUser = 04700, kGroup = 02070, kOther = 0007, kSticky = 01000;

// The three permission bits of one class, put in all three places.
mode_t spread(mode_t mode, mode_t from) {
  const mode_t bits = (from & 0700) != 0 ? (mode >> 6) & 7 : (from & 0070) != 0 ? (mode >> 3) & 7 : mode & 7;
  return bits << 6 | bits << 3 | bits;
}

}  // namespace

Result<ModeChange> ModeChange::parse(std::string_view text) {
  const auto wrong = [&] {
    return fail(EINVAL, "invalid chmod parameter: '{}'. it should be octal string and between 0 and 07777, or symbolic (u=rwX,go=rX)", text);
  };
  ModeChange change;
  if (!text.empty() && text.find_first_not_of("01234567") == std::string_view::npos) {
    mode_t mode = 0;
    for (const char digit : text) {
      mode = mode * 8 + static_cast<mode_t>(digit - '0');
      if (mode > 07777) return wrong();
    }
    change.clauses_.push_back({07777, 'o', mode, false, 0});
    return change;
  }
  for (std::size_t at = 0; at <= text.size();) {
    mode_t who = 0;
    for (; at < text.size() && std::string_view("ugoa").find(text[at]) != std::string_view::npos; ++at)
      who |= text[at] == 'u' ? kUser : text[at] == 'g' ? kGroup : text[at] == 'o' ? kOther : 06777;
    if (who == 0) who = 06777;
    bool any = false;
    while (at < text.size() && std::string_view("+-=").find(text[at]) != std::string_view::npos) {
      Clause clause{who, text[at++], 0, false, 0};
      for (; at < text.size() && text[at] != ',' && std::string_view("+-=").find(text[at]) == std::string_view::npos; ++at) {
        switch (text[at]) {
          case 'r': clause.bits |= 0444; break;
          case 'w': clause.bits |= 0222; break;
          case 'x': clause.bits |= 0111; break;
          case 'X': clause.conditional = true; break;
          case 's': clause.bits |= 06000; break;
          case 't': clause.bits |= kSticky; break;
          case 'u': clause.copy_from = 0700; break;
          case 'g': clause.copy_from = 0070; break;
          case 'o': clause.copy_from = 0007; break;
          default: return wrong();
        }
      }
      change.clauses_.push_back(clause);
      any = true;
    }
    if (!any) return wrong();
    if (at == text.size()) break;
    if (text[at++] != ',') return wrong();
  }
  return change;
}

std::optional<mode_t> ModeChange::whole() const {
  return clauses_.size() == 1 && clauses_.front().operation == 'o' ? std::optional(clauses_.front().bits) : std::nullopt;
}

mode_t ModeChange::apply(mode_t mode, bool is_dir) const {
  mode &= 07777;
  for (const Clause& clause : clauses_) {
    if (clause.operation == 'o') {
      mode = clause.bits;
      continue;
    }
    mode_t bits = clause.bits;
    if (clause.conditional && (is_dir || (mode & 0111) != 0)) bits |= 0111;
    if (clause.copy_from != 0) bits |= spread(mode, clause.copy_from);
    bits &= clause.who | (bits & kSticky);
    if (clause.operation == '+') mode |= bits;
    if (clause.operation == '-') mode &= ~bits;
    if (clause.operation == '=') mode = (mode & ~(clause.who & 07777)) | bits;
  }
  return mode;
}

}  // namespace acetate::build
