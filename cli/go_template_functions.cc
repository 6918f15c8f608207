// Templates: the functions, and how values are printed.
#include <algorithm>
#include <cctype>
#include <charconv>

#include "cli/go_template_syntax.h"

namespace acetate::cli::tmpl {

namespace {

using Arguments = std::vector<Json>;

Error misused(std::string_view name, std::string_view wants) {
  return fail(EINVAL, "--format: {} wants {}", name, wants);
}

std::string to_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<Json> index_of(const Arguments& arguments) {
  if (arguments.empty()) return misused("index", "a list or a map, and what to look up");
  Json value = arguments[0];
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const Json& key = arguments[i];
    if (value.is_array() && key.is_number_integer()) {
      const auto at = key.get<std::int64_t>();
      if (at < 0 || static_cast<std::size_t>(at) >= value.size())
        return fail(EINVAL, "--format: there is no element {} in a list of {}", at, value.size());
      Json next = value[static_cast<std::size_t>(at)];
      value = std::move(next);
    } else if ((value.is_object() || value.is_null()) && key.is_string()) {
      const auto found = value.find(key.get<std::string>());
      Json next = found == value.end() ? Json("") : *found;
      value = std::move(next);
    } else {
      return misused("index", "a list and a number, or a map and a string");
    }
  }
  return value;
}

Result<Json> length_of(const Arguments& arguments) {
  if (arguments.size() != 1) return misused("len", "one value");
  const Json& value = arguments[0];
  if (value.is_string()) return Json(value.get_ref<const std::string&>().size());
  return Json(value.is_null() ? 0 : value.size());
}

Result<Json> join(const Arguments& arguments) {
  if (arguments.size() != 2 || !arguments[1].is_string()) return misused("join", "a list and what to put between");
  std::string out;
  bool is_first = true;
  for (const auto& each : arguments[0]) {
    if (!is_first) out += arguments[1].get<std::string>();
    out += print_value(each);
    is_first = false;
  }
  return Json(std::move(out));
}

Result<Json> split(const Arguments& arguments) {
  if (arguments.size() != 2 || !arguments[0].is_string() || !arguments[1].is_string() || arguments[1] == "")
    return misused("split", "a string and what stands between its parts");
  const std::string text = arguments[0], between = arguments[1];
  Json out = Json::array();
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(between, at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + between.size();
  }
  return out;
}

Result<Json> change_case(const std::string& name, const Arguments& arguments) {
  if (arguments.size() != 1 || !arguments[0].is_string()) return misused(name, "a string");
  std::string text = arguments[0];
  bool at_begin = true;
  for (char& c : text) {
    const auto letter = static_cast<unsigned char>(c);
    if (name == "lower") c = static_cast<char>(std::tolower(letter));
    if (name == "upper" || (name == "title" && at_begin)) c = static_cast<char>(std::toupper(letter));
    at_begin = std::isspace(letter) != 0;
  }
  return Json(std::move(text));
}

Result<Json> truncate(const Arguments& arguments) {
  if (arguments.size() != 2 || !arguments[0].is_string() || !arguments[1].is_number_integer())
    return misused("truncate", "a string and a length");
  const auto length = std::max<std::int64_t>(0, arguments[1].get<std::int64_t>());
  return Json(arguments[0].get<std::string>().substr(0, static_cast<std::size_t>(length)));
}

// Go's Print puts a space between values when neither is a string; Println always, and a new line behind.
Result<Json> print(const Arguments& arguments, bool line) {
  std::string out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0 && (line || (!arguments[i].is_string() && !arguments[i - 1].is_string()))) out += ' ';
    out += print_value(arguments[i]);
  }
  if (line) out += '\n';
  return Json(std::move(out));
}

Result<Json> print_formatted(const Arguments& arguments) {
  if (arguments.empty() || !arguments[0].is_string()) return misused("printf", "a string first");
  const std::string format = arguments[0];
  std::string out;
  std::size_t next = 1;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    // Widths: "%-20s", "%.12s", "%5d".
    std::size_t end = format.find_first_not_of("-.0123456789", i + 1);
    if (end == format.npos) return misused("printf", "a letter behind every %");
    const std::string spec = format.substr(i + 1, end - i - 1);
    const char letter = format[end];
    i = end;
    if (letter == '%') {
      out += '%';
      continue;
    }
    if (std::string_view("svdq").find(letter) == std::string_view::npos)
      return misused("printf", "%s, %v, %d, %q or %%");
    if (next >= arguments.size()) return misused("printf", "a value for every %");
    std::string text = letter == 'q' ? to_text(print_value(arguments[next])) : print_value(arguments[next]);
    ++next;
    const auto dot = spec.find('.');
    // At most four digits of it: a width is for people.
    const auto number = [](std::string_view digits) {
      std::size_t value = 0;
      digits = digits.substr(0, 4);
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
      return value;
    };
    if (dot != spec.npos) text = text.substr(0, number(spec.substr(dot + 1)));
    std::string width = spec.substr(0, dot);
    const bool left = width.starts_with('-');
    if (left) width.erase(0, 1);
    if (const auto want = number(width); text.size() < want)
      text.insert(left ? text.size() : 0, std::string(want - text.size(), ' '));
    out += text;
  }
  return Json(std::move(out));
}

Result<Json> compare(const std::string& name, const Arguments& arguments) {
  if (arguments.size() < 2) return misused(name, "two values");
  const Json& a = arguments[0];
  if (name == "eq") return Json(std::any_of(arguments.begin() + 1, arguments.end(), [&](const Json& b) { return a == b; }));
  const Json& b = arguments[1];
  if (name == "ne") return Json(a != b);
  if (!((a.is_number() && b.is_number()) || (a.is_string() && b.is_string())))
    return misused(name, "two numbers or two strings");
  if (name == "lt") return Json(a < b);
  if (name == "le") return Json(a <= b);
  if (name == "gt") return Json(a > b);
  return Json(a >= b);
}

// The first that decides, as Go has it: the value itself and not only true or false.
Result<Json> decide(const std::string& name, const Arguments& arguments) {
  if (arguments.empty()) return misused(name, "a value");
  for (const auto& each : arguments)
    if (is_true(each) == (name == "or")) return each;
  return arguments.back();
}

}  // namespace

bool is_true(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  if (value.is_string()) return value != "";
  return !value.is_null() && !value.empty();
}

std::string print_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "<nil>";
  if (!value.is_structured()) return to_text(value);
  std::string out = value.is_object() ? "map[" : "[";
  bool is_first = true;
  for (const auto& [key, each] : value.items()) {
    if (!is_first) out += ' ';
    if (value.is_object()) out += key + ":";
    // In a map of docker's (ports, volumes) that is a set: Go has a struct without members there.
    out += value.is_object() && each.is_object() && each.empty() ? "{}" : print_value(each);
    is_first = false;
  }
  return out + "]";
}

Result<Json> call_function(const std::string& name, const Arguments& arguments) {
  if (name == "json") {
    if (arguments.size() != 1) return misused(name, "one value");
    return Json(to_text(arguments[0]));
  }
  if (name == "index") return index_of(arguments);
  if (name == "len") return length_of(arguments);
  if (name == "join") return join(arguments);
  if (name == "split") return split(arguments);
  if (name == "lower" || name == "upper" || name == "title") return change_case(name, arguments);
  if (name == "truncate") return truncate(arguments);
  if (name == "print" || name == "println") return print(arguments, name == "println");
  if (name == "printf") return print_formatted(arguments);
  if (name == "and" || name == "or") return decide(name, arguments);
  if (name == "not") {
    if (arguments.size() != 1) return misused(name, "one value");
    return Json(!is_true(arguments[0]));
  }
  constexpr std::string_view comparisons[] = {"eq", "ne", "lt", "le", "gt", "ge"};
  if (std::ranges::find(comparisons, name) != std::end(comparisons)) return compare(name, arguments);
  return Error(ENOENT);
}

}  // namespace acetate::cli::tmpl
