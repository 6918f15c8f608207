#include "builder/sandbox/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace acetate::sandbox {

namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 64;
constexpr std::size_t kMostBytes = 16 << 20;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) { return std::ranges::find(words, text) != words.end(); }

// As Go's strconv.ParseInt has it with base 0, which every reader of CDI goes by: the prefix says the base, and 0 alone eight.
template <class Number>
std::optional<Number> parse_whole(std::string_view digits, bool negative) {
  int base = 10;
  const auto starts = [&](std::string_view lower, std::string_view upper) { return digits.starts_with(lower) || digits.starts_with(upper); };
  if (starts("0x", "0X")) base = 16;
  else if (starts("0b", "0B")) base = 2;
  else if (starts("0o", "0O")) base = 8;
  if (base != 10) digits.remove_prefix(2);
  else if (digits.size() > 1 && digits[0] == '0') base = 8;
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  const std::string text = (negative ? "-" : "") + std::string(digits);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Json> as_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string digits(text.substr(negative || text.starts_with('+') ? 1 : 0));
  if (digits.empty() || (digits[0] != '.' && (digits[0] < '0' || digits[0] > '9'))) return std::nullopt;
  std::string whole = digits;
  std::erase(whole, '_');
  if (const auto number = parse_whole<std::int64_t>(whole, negative)) return Json(*number);
  if (const auto number = negative ? std::nullopt : parse_whole<std::uint64_t>(whole, false)) return Json(*number);
  // With a point or an exponent only: 08 is no number.
  if (digits.find_first_of(".eE") == std::string::npos || digits.find_first_not_of("0123456789.eE+-") != std::string::npos) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return Json(negative ? -number : number);
}

// What stands there without quotes.
Json plain(std::string_view text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  return as_number(text).value_or(Json(text));
}

// What it takes to have it once more, in bytes, roughly.
std::size_t weight(const Json& json) {
  std::size_t sum = sizeof json;
  if (json.is_string()) sum += json.get_ref<const std::string&>().size();
  if (json.is_array())
    for (const Json& each : json) sum += weight(each);
  if (json.is_object())
    for (const auto& [key, value] : json.items()) sum += key.size() + weight(value);
  return sum;
}

class Event {
 public:
  Event() = default;
  Event(Event&& other) noexcept : raw(std::exchange(other.raw, yaml_event_t{})) {}
  Event& operator=(Event&&) = delete;
  ~Event() { yaml_event_delete(&raw); }

  std::string_view text() const { return {reinterpret_cast<const char*>(raw.data.scalar.value), raw.data.scalar.length}; }

  yaml_event_t raw{};
};

std::string_view view(const yaml_char_t* text) { return text == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char*>(text)); }

class Reader {
 public:
  explicit Reader(std::string_view text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { yaml_parser_delete(&parser_); }

  Result<Json> read() {
    TRY(next());  // the stream's start
    if (TRY(next()).raw.type == YAML_STREAM_END_EVENT) return Json(nullptr);
    Json document = TRY(node(TRY(next()), 0));
    TRY(next());  // the document's end
    const Event last = TRY(next());
    if (last.raw.type != YAML_STREAM_END_EVENT) return complain(last, "a second document");
    return document;
  }

 private:
  static Error at(const yaml_mark_t& mark, std::string_view words, int code = EINVAL) {
    return fail(code, "line {}, column {}: {}", mark.line + 1, mark.column + 1, words);
  }
  static Error complain(const Event& event, std::string_view words, int code = EINVAL) { return at(event.raw.start_mark, words, code); }

  Result<Event> next() {
    Event event;
    if (yaml_parser_parse(&parser_, &event.raw) == 1) return event;
    if (parser_.error == YAML_MEMORY_ERROR) return Error(ENOMEM);
    const char* problem = parser_.problem != nullptr ? parser_.problem : "no YAML";
    // What is no text at all is met before there are lines.
    if (parser_.error == YAML_READER_ERROR) return fail(EINVAL, "byte {}: {}", parser_.problem_offset, problem);
    return at(parser_.problem_mark, problem);
  }

  Result<Json> node(const Event& event, int depth) {
    if (depth > kDeepest) return complain(event, fmt::format("nested deeper than {}", kDeepest), EFBIG);
    switch (event.raw.type) {
      case YAML_ALIAS_EVENT: return alias(event);
      case YAML_SCALAR_EVENT: return anchored(event, event.raw.data.scalar.anchor, TRY(scalar(event)));
      case YAML_SEQUENCE_START_EVENT: return anchored(event, event.raw.data.sequence_start.anchor, TRY(sequence(event, depth)));
      case YAML_MAPPING_START_EVENT: return anchored(event, event.raw.data.mapping_start.anchor, TRY(mapping(event, depth)));
      default: return complain(event, "nothing where a value is due");
    }
  }

  // An alias costs what it stands for: ten lines of them can mean more than there is memory.
  Result<Json> copy(const Event& event, const Json& json) {
    copied_ += weight(json);
    if (copied_ > kMostBytes) return complain(event, "aliases that stand for too much", EFBIG);
    return json;
  }

  Result<Json> anchored(const Event& event, const yaml_char_t* anchor, Json json) {
    if (anchor != nullptr) anchors_.insert_or_assign(std::string(view(anchor)), TRY(copy(event, json)));
    return json;
  }

  Result<Json> alias(const Event& event) {
    const auto found = anchors_.find(view(event.raw.data.alias.anchor));
    if (found == anchors_.end()) return complain(event, "an alias of nothing");
    return copy(event, found->second);
  }

  Result<Json> scalar(const Event& event) {
    const auto& raw = event.raw.data.scalar;
    const std::string_view tag = view(raw.tag), text = event.text();
    if (tag.empty()) return raw.style == YAML_PLAIN_SCALAR_STYLE ? plain(text) : Json(text);
    if (tag == YAML_STR_TAG || tag == "!") return Json(text);
    const Json json = plain(text);
    const bool fits = (tag == YAML_INT_TAG && json.is_number_integer()) || (tag == YAML_FLOAT_TAG && json.is_number()) ||
                      (tag == YAML_BOOL_TAG && json.is_boolean()) || (tag == YAML_NULL_TAG && json.is_null());
    if (fits) return json;
    return complain(event, fmt::format("\"{}\" is no {}", text, tag));
  }

  Result<Json> sequence(const Event& start, int depth) {
    if (const auto tag = view(start.raw.data.sequence_start.tag); !tag.empty() && tag != YAML_SEQ_TAG) return complain(start, fmt::format("the tag {} is not known", tag));
    Json all = Json::array();
    for (;;) {
      const Event event = TRY(next());
      if (event.raw.type == YAML_SEQUENCE_END_EVENT) return all;
      all.push_back(TRY(node(event, depth + 1)));
    }
  }

  Result<Json> mapping(const Event& start, int depth) {
    if (const auto tag = view(start.raw.data.mapping_start.tag); !tag.empty() && tag != YAML_MAP_TAG) return complain(start, fmt::format("the tag {} is not known", tag));
    Json all = Json::object();
    for (;;) {
      const Event key = TRY(next());
      if (key.raw.type == YAML_MAPPING_END_EVENT) return all;
      if (key.raw.type != YAML_SCALAR_EVENT) return complain(key, "a key that is no text");
      const std::string name(key.text());
      if (name == "<<" && key.raw.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) return complain(key, "a merge key (<<), which is not read here");
      if (all.contains(name)) return complain(key, fmt::format("the key \"{}\" is there twice", name));
      all[name] = TRY(node(TRY(next()), depth + 1));
    }
  }

  yaml_parser_t parser_{};
  std::map<std::string, Json, std::less<>> anchors_;
  std::size_t copied_ = 0;
};

}  // namespace

Result<nlohmann::json> yaml_to_json(std::string_view text) { return Reader(text).read(); }

}  // namespace acetate::sandbox
