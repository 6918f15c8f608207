#!/usr/bin/env python3
"""corpora.py ANSWERS [--parser DIR] [--buildkit DIR] [--patterns DIR] [--reference DIR] [-v]

Asks the program ANSWERS (tests/builder/answers of a build) for every row of the tables that others test their parsers with, and compares:
  --parser    a folder with BuildKit's testfiles/*/{Dockerfile,result}, testfiles-negative, testfile-line, envVarTest and wordsTest
  --buildkit  a checkout of github.com/moby/buildkit: the same, and the tables in its tests of the shell lexer, here-documents, directives, flags, JSON,
              instructions, EXPOSE and git references
  --patterns  a checkout of github.com/moby/patternmatcher
  --reference a checkout of github.com/distribution/reference
Prints the rows that differ, one line a table with its count, and fails if a row differs that KNOWN does not explain."""
import argparse, collections, json, os, posixpath, re, subprocess, sys

# Where another answer is meant: the row (as it is named below) and why.
KNOWN = {
    'heredocs of RUN <<- EOF': 'BuildKit finds none either; its test compares those that were found',
    "port ''": 'of no words nothing is exposed; the table asks a function below that',
    'git github.com/moby/buildkit': 'for ADD it is a path in BuildKit, too; as a build context it is completed to a URL before',
    'git github.com/moby/buildkit#master': 'the same',
    'git github.com/moby/buildkit?tag=v1.0.0': 'the same',
    'reference validname@sha512:fffffffffffffffffffffffffffffffffffffffffff…': 'ours knows sha512',
    'any sha256:dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9c': "an image's id is looked up before a name is parsed",
    'docker gcr.io/library/busybox:latest@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582': 'the tag stays to be shown; the digest is what counts',
}


class Go:
    """Composite literals of Go's source: strings, lists and {key: value}; names are left as names."""
    TOKEN = re.compile(r'\s+|//[^\n]*|(?P<s>"(?:[^"\\]|\\.)*")|(?P<r>`[^`]*`)|(?P<c>\'(?:[^\'\\]|\\.)+\')|(?P<w>[\w.]+)|(?P<p>[^\s\w])')
    Name = collections.namedtuple('Name', 'name')

    def __init__(self, text):
        self.tokens = []
        at = 0
        while at < len(text):
            m = self.TOKEN.match(text, at)
            at = m.end()
            if m.lastgroup: self.tokens.append((m.lastgroup, m.group(m.lastgroup)))
        self.at = 0

    def peek(self, ahead=0): return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ('', '')
    def next(self): self.at += 1; return self.tokens[self.at - 1]
    def take(self, p):
        if self.peek()[1] == p and self.peek()[0] in 'pw': self.at += 1; return True
        return False

    @staticmethod
    def unquote(text):
        def one(m):
            e = m.group(1)
            if e[0] in 'xuU': return chr(int(e[1:], 16))
            if e[0].isdigit(): return chr(int(e, 8))
            return {'n': '\n', 't': '\t', 'r': '\r', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v'}.get(e, e)
        return re.sub(r'\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)', one, text[1:-1], flags=re.S)

    def skip_block(self):
        depth = 0
        while True:
            t = self.next()
            if t[0] == 'p': depth += (t[1] == '{') - (t[1] == '}')
            if depth == 0: return

    def skip_type(self):
        while True:
            if self.take('struct'): self.skip_block()
            elif self.peek()[1] in ('[', ']', '*', '&') or self.peek()[0] == 'w': self.next()
            else: return

    def value(self):
        v = self.simple()
        while self.take('+'): v += self.simple()
        return v

    def simple(self):
        kind, text = self.peek()
        if kind == 's': self.next(); return self.unquote(text)
        if kind == 'r': self.next(); return text[1:-1]
        if kind == 'w' and text == 'strings.Repeat':
            self.next(); self.next(); s = self.value(); self.next(); n = int(self.next()[1]); self.next()
            return s * n
        if kind == 'w' and re.fullmatch(r'\d+', text): self.next(); return int(text)
        if kind == 'w' and text in ('true', 'false'): self.next(); return text == 'true'
        if kind == 'w' and text == 'nil': self.next(); return None
        if text == '{': return self.composite()
        if kind == 'w' and self.peek(1)[1] == '(':  # T("text") and []byte("text")
            self.next(); self.next(); v = self.value(); self.take(')'); return v
        start = self.at
        self.skip_type()
        if self.peek()[1] == '{': return self.composite()
        if self.peek()[1] == '(': self.next(); v = self.value(); self.take(')'); return v
        return self.Name(''.join(t[1] for t in self.tokens[start:self.at]))

    def composite(self):
        self.next()
        items, keys = [], {}
        while not self.take('}'):
            if self.peek()[1] == '{': v = self.composite()
            else: v = self.value()
            if self.take(':'): keys[v.name if isinstance(v, self.Name) else v] = self.value()
            else: items.append(v)
            self.take(',')
        return keys if keys or not items else items


def table(source, function, variable):
    """The literal that `variable` is set to in `function` (or anywhere, for None)."""
    text = source[source.index('func ' + function + '('):] if function else source
    m = re.search(r'\b' + re.escape(variable) + r'\s*(:=|=|\+=)\s*', text)
    end = text.find('\n}\n', m.end())
    return Go(text[m.end():end + 3 if end >= 0 else None]).value()


class Asker:
    def __init__(self, program, verbose):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.verbose, self.rows, self.bad, self.known = verbose, 0, 0, 0

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def row(self, name, got, wanted):
        self.rows += 1
        if got == wanted: return
        if name in KNOWN:
            self.known += 1
            if self.verbose: print(f'  known: {name}: {got!r}, {wanted!r} there: {KNOWN[name]}')
        else:
            self.bad += 1
            print(f'  DIFFERS {name}\n    got    {got!r}\n    wanted {wanted!r}')

    def table(self, name, function, *args):
        rows, bad, known = self.rows, self.bad, self.known
        function(self, *args)
        print(f'{name}: {self.rows - rows} rows, {self.bad - bad} differ' + (f', {self.known - known} are meant to' if self.known > known else ''))


def read(*parts):
    with open(os.path.join(*parts), encoding='utf-8', newline='') as f: return f.read()


# BuildKit's data files

def trees(a, folder):
    for name in sorted(os.listdir(folder)):
        got = a.ask(ask='tree', text=read(folder, name, 'Dockerfile'))
        a.row('tree ' + name, got.get('value', got), read(folder, name, 'result'))

def negative(a, folder):
    for name in sorted(os.listdir(folder)):
        a.row('refused ' + name, 'error' in a.ask(ask='tree', text=read(folder, name, 'Dockerfile')), True)

def places(a, path):
    got = a.ask(ask='lines', text=read(path))
    a.row('places', [[l['first'], l['last']] for l in got['lines']], [[5, 5], [11, 12], [17, 31]])

def env_rows(a, path):
    env = {'PWD': '/home', 'SHELL': 'bash', 'KOREAN': '한국어', 'NULL': ''}
    for number, line in enumerate(read(path).split('\n'), 1):
        if line.startswith('#') or not line.strip(): continue
        system, source, wanted = (part.strip() for part in line.split('|'))
        if system == 'W': continue
        got = a.ask(ask='expand', text=source, env=env)
        a.row(f'env {number} {source}', 'error' if 'error' in got else got['value'], wanted)

def word_rows(a, path):
    # The second reading of the file, which BuildKit's test means to make with these options, finds it at its end.
    env = {}
    for number, line in enumerate(read(path).split('\n'), 1):
        if line.startswith('#') or not line: continue
        if line.startswith('ENV '):
            name, _, value = line[3:].lstrip(' ').partition('=')
            env[name] = value
            continue
        source, wanted = line.split('|')
        wanted = wanted.lstrip(' ').split(',')
        got = a.ask(ask='words', text=source.strip(), env=env)
        a.row(f'words {number} {source.strip()}', ['error'] if 'error' in got else got['value'], wanted)


# BuildKit's tables in Go

def matches(a, source):
    for number, row in enumerate(table(source, 'TestProcessWithMatches', 'tc'), 1):
        got = a.ask(ask='expand', text=row['input'], env=row.get('envs') or {})
        name = f"matches {number} {row['input']} with {row.get('envs')}"
        if row.get('expectedErr'): a.row(name, 'error' in got, True)
        else: a.row(name, [got.get('value', got), got.get('found'), got.get('missing')],
                    [row.get('expected', ''), sorted(row.get('matches') or {}), sorted(row.get('unmatched') or {})])

def mandatory(a, source):
    for text, empty_is_error in (('${VAR:?message here$ARG}', True), ('${VAR?message here$ARG}', False)):
        for env in ({'VAR': 'plain', 'ARG': 'x'}, {'VAR': '', 'ARG': 'x'}, {'ARG': 'x'}):
            got = a.ask(ask='expand', text=text, env=env)
            if 'VAR' not in env or (env['VAR'] == '' and empty_is_error): a.row(f'{text} with {env}', 'message herex' in got.get('error', ''), True)
            else: a.row(f'{text} with {env}', got.get('value'), env['VAR'])

def parse_words(a, source):
    # Words of ENV, LABEL and ARG, with quotes and escapes: asked as arguments of ARG.
    for row in table(source, 'TestParseWords', 'tests'):
        text = row['input'][0]
        got = a.ask(ask='tree', text='ARG ' + text)
        a.row('words of ' + text, got.get('value', got), '(arg ' + ' '.join(go_quote(w) for w in row['expect']) + ')\n')

def go_quote(text): return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'

def empty_lines(a, source):
    text = re.search(r'func TestParseWarnsOnEmptyContinutationLine.*?`(.*?)`', source, re.S).group(1)
    got = a.ask(ask='lines', text=text)
    a.row('empty lines among continuations', [l['text'] for l in got['lines'] if l['empty']],
          ['RUN something     following     more', 'RUN another     thing'])

def heredocs(a, source):
    text = re.search(r'func TestParseExtractsHeredoc.*?`(.*?)\n\t`\)', source, re.S).group(1)
    got = a.ask(ask='lines', text=text)
    for number, wanted in enumerate(table(source, 'TestParseExtractsHeredoc', 'tests')):
        line = got['lines'][number + 1]
        # Ours takes the tabs off as it reads, BuildKit where it is used.
        untabbed = lambda t: re.sub(r'(?m)^\t+', '', t)
        a.row(f"here-documents of {line['text']}", line['heredocs'],
              [{'name': d['Name'], 'content': untabbed(d.get('Content', '')) if d.get('Chomp') else d.get('Content', ''), 'expand': d.get('Expand', False),
                'chomp': d.get('Chomp', False), 'fd': d.get('FileDescriptor', 0)} for d in wanted or []])
    for word in table(source, 'TestParseHeredocHelpers', 'validHeredocs'): a.row('heredoc ' + word, a.ask(ask='heredoc', text=word)['name'], 'EOF')
    for kind in ('invalidHeredocs', 'notHeredocs'):
        for word in table(source, 'TestParseHeredocHelpers', kind): a.row(f'heredoc {kind} {word}', a.ask(ask='heredoc', text=word)['name'], None)
    for row in table(source, 'TestHeredocsFromLine', 'srcs'):
        names = row['heredocNames'] or []
        got = a.ask(ask='lines', text='\n'.join([row['line']] + names))
        a.row('heredocs of ' + row['line'], [d['name'] for d in got['lines'][0]['heredocs']], names)
    for text in ('["whoami"]', '["<<EOF"]', '["<<\'EOF\'"]'):
        a.row('no heredoc in ' + text, a.ask(ask='lines', text='FROM a\nRUN ' + text)['lines'][1]['heredocs'], [])

def instruction_heredocs(a, source):
    for row in table(source, 'TestCopyHeredoc', 'cases'):
        got = a.ask(ask='parse', text='FROM a\n' + row['dockerfile'])
        got = got['instructions'][0] if 'instructions' in got else got
        wanted = row['sourcesAndDest']
        a.row('copy ' + row['dockerfile'], [got.get('dest'), got.get('sources'), [[f['name'], f['content'], f['expand']] for f in got.get('files', [])]],
              [wanted['DestPath'], wanted.get('SourcePaths', []), [[f['Path'], f['Data'], f['Expand']] for f in wanted.get('SourceContents', [])]])
    for row in table(source, 'TestRunHeredoc', 'cases'):
        got = a.ask(ask='parse', text='FROM a\n' + row['dockerfile'])
        got = got['instructions'][0] if 'instructions' in got else got
        untabbed = lambda f: re.sub(r'(?m)^\t+', '', f['Data']) if f.get('Chomp') else f['Data']
        a.row('run ' + row['dockerfile'], [got.get('shell'), got.get('words'), [[f['name'], f['content'], f['chomp']] for f in got.get('files', [])]],
              [row['shell'], row['command'], [[f['Name'], untabbed(f), f.get('Chomp', False)] for f in row.get('files') or []]])
    for row in table(source, 'TestErrorCasesHeredoc', 'cases'):
        a.row('error of ' + row['dockerfile'], row['expectedError'] in a.ask(ask='parse', text='FROM a\n' + row['dockerfile']).get('error', ''), True)

def instruction_errors(a, source):
    def error(text): return a.ask(ask='parse', text='FROM a\n' + text).get('error', '').split('\n')[0]
    for row in table(source, 'TestErrorCases', 'cases'):
        got = error(row['dockerfile'])
        a.row('error of ' + row['dockerfile'], got if row['expectedError'].lower() not in got.lower() else '', '')
    for function, tail, words in (('TestCommandsExactlyOneArgument', '', '{} requires exactly one argument'), ('TestCommandsAtLeastOneArgument', '', '{} requires at least one argument'),
                                  ('TestCommandsNoDestinationArgument', ' arg1', '{} requires at least two arguments, but only one was provided. Destination could not be determined'),
                                  ('TestCommandsBlankNames', ' =arg2', '{} names can not be blank')):
        for command in table(source, function, 'commands'):
            got = error(command + tail)
            a.row('error of ' + command + tail, got if words.format(command) not in got else '', '')
    for interval, ok in (('50ns', False), ('0ms', True), ('1ms', True)):
        a.row('interval ' + interval, 'error' not in a.ask(ask='parse', text=f'FROM a\nHEALTHCHECK --interval={interval} CMD x'), ok)

def directives(a, source):
    def syntax(text): return a.ask(ask='lines', text=text)
    for text, name, wanted in (('#escape=\\\n# key = FOO bar\n\n# smth\n', 'escape', '\\'), ('# EScape=`\n# KEY = FOO bar\n\n# smth\n', 'escape', '`'),
                               ('# syntax = dockerfile:experimental // opts\nFROM busybox\n', 'syntax', 'dockerfile:experimental // opts'),
                               ('#!/bin/sh\n# syntax = dockerfile:experimental\nFROM busybox\n', 'syntax', 'dockerfile:experimental'),
                               ('#!/bin/sh\n\n# syntax = dockerfile:experimental\n', 'syntax', ''), ('FROM busybox\nRUN ls\n', 'syntax', ''),
                               ('\ufeff# syntax = myfrontend\nFROM busybox\n', 'syntax', 'myfrontend'),
                               ('#check = skip=all // opts\nFROM busybox\n', 'check', 'skip=all // opts'), ('#!/bin/sh\n# check = skip=all\nFROM busybox\n', 'check', 'skip=all'),
                               ('#!/bin/sh\n\n# check = skip=all\n', 'check', ''), ('FROM busybox\nRUN ls\n', 'check', ''), ('//check=skip=all\n//key=value', 'check', '')):
        a.row(f'{name} of {text!r}', syntax(text).get(name), wanted)

def exec_forms(a, source):
    for text, wanted in table(source, None, 'validJSONArraysOfStrings').items():
        if isinstance(wanted, dict): wanted = []
        a.row('exec form ' + text, a.ask(ask='exec_form', text=text), {'kind': 'strings', 'items': wanted})
    for text in table(source, None, 'invalidJSONArraysOfStrings'): a.row('no exec form ' + text, a.ask(ask='exec_form', text=text)['kind'], 'mixed')

def builder_flags(a, _):
    # What bflag_test.go asks in statements, as rows: flags given, names of strings, names of switches, what comes of it.
    for given, strings, switches, wanted in (
            ([], [], [], {}), ([], ['str1'], ['bool1'], {}), (['--str1'], ['str1'], [], None), (['--str1='], ['str1'], [], {'str1': ''}),
            (['--str1=BYE'], ['str1'], [], {'str1': 'BYE'}), (['--bool1'], [], ['bool1'], {'bool1': True}), (['--bool1=true'], [], ['bool1'], {'bool1': True}),
            (['--bool1=false'], [], ['bool1'], {'bool1': False}), (['--bool1=false1'], [], ['bool1'], None), (['--bool2'], [], ['bool1'], None),
            (['--bool1', '--str1=BYE'], ['str1'], ['bool1'], {'str1': 'BYE', 'bool1': True}),
            (['--bool2=false', '--bool3', '--bool4=true', '--bool5', '--str2= ', '--str3=def3', '--str4=my-val'], ['str1', 'str2', 'str3', 'str4'],
             ['bool1', 'bool2', 'bool3', 'bool4', 'bool5'],
             {'bool2': False, 'bool3': True, 'bool4': True, 'bool5': True, 'str2': ' ', 'str3': 'def3', 'str4': 'my-val'})):
        a.row(f'flags {given}', a.ask(ask='flags', flags=given, values=strings, booleans=switches).get('value'), wanted)

def ports(a, source):
    def exposed(specs):
        return a.ask(ask='parse', plan=True, text='FROM scratch\nEXPOSE ' + ' '.join(specs)).get('ports')
    for row in table(source, 'TestParsePortEmptyContainerPort', 'tests'): a.row(f"port {row['spec']!r}", exposed([row['spec'] or '""']), None)
    for row in table(source, 'TestPartPortIPV6', 'cases'): a.row('port ' + row['spec'], exposed([row['spec']]), row['expected'])
    # The calls of the other tests, each followed by what is expected.
    for call, error, wanted in re.findall(r'ps\.parsePorts?\((\[\]string\{[^}]*\}|"[^"]*")\)\n\t(assert\.Error|require\.NoError\(t, err\)\n\tassert\.Equal\(t, (\[\]string\{[^}]*\}))', source):
        specs = Go(call).value()
        specs = [specs] if isinstance(specs, str) else specs
        a.row(f'ports {specs}', exposed(specs), Go(wanted).value() if wanted else None)

def git_refs(a, source):
    for row in table(source, 'TestParseGitRef', 'cases'):
        got = a.ask(ask='git', text=row['ref'])
        wanted = row.get('expected')
        if wanted is None: a.row('git ' + row['ref'], 'error' in got or got['remote'] is None, True)
        else: a.row('git ' + row['ref'], [got.get(k, got.get('error')) for k in ('remote', 'ref', 'subdir', 'checksum')],
                    [wanted['Remote'], wanted.get('Ref', ''), wanted.get('SubDir', ''), wanted.get('Checksum', '')])


# moby/patternmatcher and distribution/reference

def ignore(a, source, function_source):
    def ignored(patterns, path):
        got = a.ask(ask='ignore', text='\n'.join(patterns), path=posixpath.normpath(path).lstrip('/') if path != '/' else '')
        return 'error' if 'error' in got else got['value']
    for pattern, text, wanted in table(source, 'TestMatches', 'tests'): a.row(f'{pattern!r} of {text!r}', ignored([pattern], text), wanted)
    for pattern, text, wanted in table(source[source.index('tests = append('):].replace('tests = append(tests, ', 'x := '), None, 'x'):
        a.row(f'{pattern!r} of {text!r}', ignored([pattern], text), wanted)
    for patterns, text, wanted in table(source, 'TestMatches', 'multiPatternTests'): a.row(f'{patterns} of {text!r}', ignored(patterns, text), wanted)
    for pattern, text, wanted, error in table(source, None, 'matchTests'):
        a.row(f'match {pattern!r} of {text!r}', ignored([pattern], text), 'error' if error else wanted)
    # The single calls at the beginning of the file.
    for text, patterns, error in re.findall(r'(?:match|_|matches), (?:_|err) := Matches\("([^"]*)", (\[\]string\{[^}]*\})\)\n\tif (!match|match|err|matches)', source):
        patterns = Go(patterns).value() or []
        wanted = {'!match': True, 'match': False, 'matches': False, 'err': 'error'}[error]
        if patterns == ['[']: wanted = 'error'
        if not patterns: wanted = False
        a.row(f'single {patterns} of {text!r}', ignored(list(patterns), text), wanted)

def ignore_file(a, source):
    text = re.search(r'const content = `(.*?)`', source, re.S).group(1)
    # Ours makes rules at once, and has no list to show: a lone "!" is where it ends, as it ends in docker.
    a.row('ignore file', a.ask(ask='ignore', text=text, path='x').get('error', ''), 'line 8: a lone "!" excepts nothing')
    rules = '\n'.join(line for line in text.split('\n') if line.strip() != '!')
    for path, wanted in (('test1', True), ('test2', True), ('a/file/here', True), ('lastfile', True), ('inverted/abs/path', False), ('# this is a comment', False)):
        a.row('ignore file: ' + path, a.ask(ask='ignore', text=rules, path=path).get('value'), wanted)

def references(a, source):
    for row in table(source, 'TestReferenceParse', 'tests'):
        got = a.ask(ask='reference', text=row['input'])
        name = 'reference ' + (row['input'] if len(row['input']) < 100 else row['input'][:60] + '…')
        if 'err' in row: a.row(name, 'error' in got, True); continue
        # Ours completes names as docker does; the table has them bare.
        tag = row.get('tag', '') or ('' if row.get('digest') else 'latest')
        a.row(name, [got.get('tag', got.get('error')), got.get('digest')], [tag, row.get('digest', '')])

def normalized(a, source):
    def bare(text):
        got = a.ask(ask='reference', text=text)
        return got.get('error') and {'error': got['error']} or got
    for function in ('TestValidateReferenceName', 'TestValidateRemoteName'):
        for variable, ok in (('validRepoNames', True), ('invalidRepoNames', False), ('validRepositoryNames', True), ('invalidRepositoryNames', False)):
            text = source[source.index('func ' + function):]
            text = text[:text.index('\n}\n')]
            if variable + ' :=' not in text: continue
            for name in table(source, function, variable): a.row(f'name {name[:70]}', 'error' not in bare(name), ok)
    for row in table(source, 'TestParseRepositoryInfo', 'tests'):
        for text in [row['FamiliarName'], row['FullName']] + ([row['AmbiguousName']] if row['AmbiguousName'] else []):
            got = bare(text)
            a.row('info of ' + text, [got.get('familiar'), got.get('registry', '') + '/' + got.get('repository', ''), got.get('registry'), got.get('repository')],
                  [row['FamiliarName'], row['FullName'], row['Domain'], row['RemoteName']])
    for row in table(source, 'TestParseAnyReference', 'tests'):
        got, wanted = bare(row['Reference']), row['Equivalent']
        if 'Expected' in row: a.row('any ' + row['Reference'], 'error' in got, True); continue  # an image's id, which is looked up before names are
        a.row('any ' + row['Reference'], got.get('str'), wanted if '@' in wanted or ':' in wanted.rsplit('/')[-1] else wanted + ':latest')
    for row in table(source, 'TestNormalizedSplitHostname', 'tests'):
        got = bare(row['input'])
        a.row('split ' + row['input'], [got.get('registry'), got.get('repository')], [row['domain'], row['path']])
    for row in table(source, 'TestParseDockerRef', 'tests'): a.row('docker ' + row['input'], bare(row['input']).get('str'), row['expected'])


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument('answers')
    for name in ('parser', 'buildkit', 'patterns', 'reference'): args.add_argument('--' + name, metavar='DIR')
    args.add_argument('-v', action='store_true')
    args = args.parse_args()
    a = Asker(args.answers, args.v)
    def data(folder, shell):
        a.table('testfiles', trees, folder + '/testfiles')
        a.table('testfiles-negative', negative, folder + '/testfiles-negative')
        a.table('testfile-line', places, folder + '/testfile-line/Dockerfile')
        a.table('envVarTest', env_rows, shell + '/envVarTest')
        a.table('wordsTest', word_rows, shell + '/wordsTest')
    if args.parser: data(args.parser, args.parser)
    if args.buildkit:
        d = args.buildkit + '/frontend/dockerfile'
        data(d + '/parser', d + '/shell')
        for name, function, file in (('lexer, matches', matches, 'shell/lex_test.go'), ('lexer, mandatory variables', mandatory, 'shell/lex_test.go'),
                                     ('parser, words', parse_words, 'parser/parser_test.go'), ('parser, empty continuations', empty_lines, 'parser/parser_test.go'),
                                     ('parser, here-documents', heredocs, 'parser/parser_heredoc_test.go'), ('instructions, here-documents', instruction_heredocs, 'instructions/parse_heredoc_test.go'),
                                     ('instructions, errors', instruction_errors, 'instructions/parse_test.go'), ('directives', directives, 'parser/directives_test.go'),
                                     ('JSON', exec_forms, 'parser/json_test.go'), ('flags', builder_flags, 'instructions/bflag_test.go'),
                                     ('EXPOSE', ports, 'dockerfile2llb/convert_expose_test.go'), ('git references', git_refs, 'dfgitutil/git_ref_test.go')):
            a.table(name, function, read(d, file))
    if args.patterns:
        a.table('patternmatcher', ignore, read(args.patterns, 'patternmatcher_test.go'), None)
        a.table('ignorefile', ignore_file, read(args.patterns, 'ignorefile/ignorefile_test.go'))
    if args.reference:
        a.table('reference', references, read(args.reference, 'reference_test.go'))
        a.table('normalize', normalized, read(args.reference, 'normalize_test.go'))
    print(f'{a.rows} rows, {a.bad} differ, {a.known} are meant to')
    sys.exit(a.bad != 0)


if __name__ == '__main__': main()
