// A Dockerfile cut into logical lines: directives, comments, continuations and here-documents.
//
// Rules as BuildKit's parser has them (frontend/dockerfile/parser): directives stand at the very top only; a
// line whose last character but blanks is the escape character goes on with the next, comments and empty lines
// between are skipped; a byte order mark and carriage returns are dropped.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/source_text.h"

namespace acetate::dockerfile {

struct Heredoc {
  std::string name;     // the delimiter, unquoted
  std::string content;  // every line with its newline; leading tabs taken off where "<<-" asks for it
  bool expand = true;   // no part of the delimiter was quoted
  bool chomp = false;   // "<<-"
  unsigned fd = 0;      // of "3<<NAME"; 0 where none is written
};

struct Line {
  Place place;       // of the whole instruction, here-documents included
  std::string text;  // continuations joined, here-documents not included
  std::vector<Heredoc> heredocs;
  std::vector<std::string> comments = {};  // before it, without "#", since the last instruction or empty comment
  bool described = false;                  // the last of them stands on the line directly above
  int empty_line = 0;                      // the instruction's last line, where an empty one stands among its continuations
};

struct Directives {
  std::optional<std::string> syntax;
  std::optional<std::string> check;
  char escape = '\\';
  std::size_t count = 0;  // lines of the file that are directives
};

struct Lines {
  SourceText source;
  Directives directives;
  std::vector<Line> lines;
};

// EINVAL with words, line and caret: a directive given twice, an escape character that is neither \ nor `, a
// here-document without end.
Result<Lines> split_lines(std::string_view text, std::string name);

// What "# syntax=" names at the top of a file, or "// syntax=" where its comments begin so: a file in another language, which need not be one of ours
// otherwise.
std::optional<std::string> find_syntax(std::string_view text);

// The here-document a shell word opens, still without content: 3<<-"NAME". Nothing for any other word.
std::optional<Heredoc> parse_heredoc_word(std::string_view word);

}  // namespace acetate::dockerfile
