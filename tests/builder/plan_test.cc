#include "builder/plan.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "builder/dockerfile/parse.h"
#include "builder/fetch_http.h"
#include "builder/file_mode.h"
#include "builder/git_ref.h"
#include "builder/graph.h"
#include "builder/public_url.h"
#include "builder/remote_source.h"
#include "builder/users.h"
#include "layers/image/config.h"
#include "layers/memory_layer.h"

namespace acetate::build {
namespace {

// A Dockerfile with its scopes, as a build has them.
struct File {
  explicit File(std::string_view text, Strings given = {})
      : build_args(std::move(given)),
        file(*dockerfile::parse(text, "Dockerfile")),
        scope(*GlobalScope::make(file, build_args, image::host_platform(), "")) {}
  Strings build_args;
  dockerfile::Dockerfile file;
  GlobalScope scope;

  Result<Graph> graph(std::string_view target = "") const { return make_graph(file, target, scope); }
  Result<PlannedStage> plan(std::size_t stage = 0, image::Config base = image::empty_config(image::host_platform())) const {
    return plan_stage(file, stage, std::move(base), StageArgs(scope, build_args), {});
  }
  template <class T>
  T step(std::size_t index) const {
    const auto planned = plan();
    if (!planned) {
      ADD_FAILURE() << planned.error().message();
      return {};
    }
    return std::get<T>(planned->steps.at(index).what);
  }
};
using Words = std::vector<std::string>;

TEST(Graph, KeepsOnlyTheStagesThatTheTargetNeeds) {
  const File file("FROM a AS one\nFROM b AS two\nFROM two AS three\nCOPY --from=one /x /\nFROM c AS four\nFROM three\nCOPY --from=0 /y /\n");
  EXPECT_EQ(file.graph()->needed, (std::vector<std::size_t>{0, 1, 2, 4}));
  EXPECT_EQ(file.graph("two")->needed, std::vector<std::size_t>{1});
  EXPECT_EQ(file.graph("FOUR")->needed, std::vector<std::size_t>{3});
  EXPECT_EQ(file.graph("2")->needed, (std::vector<std::size_t>{0, 1, 2}));
}

TEST(Graph, TellsStagesFromImages) {
  const File file("ARG BASE=debian\nFROM $BASE AS a\nFROM a\nFROM scratch\nFROM b AS b\nFROM 3\n");
  const auto bases = file.graph("b")->bases;
  EXPECT_EQ(bases[0], (Origin{Origin::Kind::image, 0, "debian"}));
  EXPECT_EQ(bases[1], (Origin{Origin::Kind::stage, 0}));
  EXPECT_EQ(bases[2], (Origin{Origin::Kind::scratch}));
  EXPECT_EQ(bases[3], (Origin{Origin::Kind::image, 0, "b"}));
  EXPECT_EQ(bases[4], (Origin{Origin::Kind::stage, 3}));
}

TEST(Graph, SaysWhatIsWrongWithATargetOrABase) {
  const File file("FROM a AS build\nFROM $NONE\n");
  EXPECT_EQ(file.graph("biuld").error().message(), "target stage \"biuld\" could not be found (did you mean build?) in Dockerfile");
  EXPECT_NE(file.graph().error().message().find("base name ($NONE) should not be blank"), std::string::npos);
  EXPECT_TRUE(file.graph("build"));
}

TEST(Plan, ExpandsVariablesWithTheirScopes) {
  const File file("ARG TOP=top\nARG HIDDEN=x\nFROM a\nARG TOP\nARG D=${TOP}-d\nENV E=$D$HIDDEN\nARG F=$E E=later\nWORKDIR /$E\n", {});
  EXPECT_EQ(file.step<WorkdirStep>(4).path, "/later");
  EXPECT_EQ(file.plan()->steps[3].created_by, "ARG F=top-d E=later");
}

TEST(Plan, LetsBuildArgumentsWinOverDefaultsAndALaterEnvOverBoth) {
  const File file("FROM a\nARG A=1\nARG B=2\nENV B=3\nRUN x\n", {{"A", "given"}, {"B", "given"}, {"UNDECLARED", "x"}});
  const auto run = file.step<RunStep>(3);
  EXPECT_EQ(get_env(run.env, "A"), "given");
  EXPECT_EQ(get_env(run.env, "B"), "3");
  EXPECT_EQ(get_env(run.env, "UNDECLARED"), std::nullopt);
}

TEST(Plan, DoesNotAskForTheDefaultOfAnArgumentThatIsGiven) {
  const std::string_view text = "FROM a\nARG A\nARG B=${A:?missing}\nRUN x\n";
  EXPECT_EQ(get_env(File(text, {{"B", "given"}}).step<RunStep>(2).env, "B"), "given");
  EXPECT_NE(File(text, {}).plan().error().message().find("A: missing"), std::string::npos);
}

TEST(Plan, PassesProxiesWithoutTellingKeysOrHistory) {
  const File file("FROM a\nARG A=1\nRUN x\n", {{"http_proxy", "http://p"}});
  EXPECT_EQ(get_env(file.step<RunStep>(1).proxies, "http_proxy"), "http://p");
  EXPECT_EQ(get_env(file.step<RunStep>(1).env, "http_proxy"), std::nullopt);
  EXPECT_EQ(file.plan()->steps[1].created_by, "RUN |1 A=1 /bin/sh -c x # buildkit");
}

TEST(Plan, GivesAProxyByBothSpellingsWhicheverWasGiven) {
  const File file("FROM a\nARG HTTPS_PROXY\nRUN x\n", {{"http_proxy", "http://p"}, {"NO_PROXY", "local"}, {"https_proxy", "http://s"}});
  const auto run = file.step<RunStep>(1);
  EXPECT_EQ(run.proxies, (Words{"HTTP_PROXY=http://p", "http_proxy=http://p", "https_proxy=http://s", "NO_PROXY=local", "no_proxy=local"}))
      << "what an ARG names is the ARG's";
}

TEST(Plan, TellsArgumentsInTheOrderTheyWereDeclared) {
  const File file("FROM a\nARG foo=1\nARG bar=2\nARG foo=3\nRUN x\n");
  EXPECT_EQ(file.plan()->steps.back().created_by, "RUN |2 foo=3 bar=2 /bin/sh -c x # buildkit");
}

TEST(Plan, LetsAllValuesOfOneEnvSeeTheEnvironmentBeforeIt) {
  const File file("FROM a\nENV x=1\nENV x=2 y=$x\nWORKDIR /$x/$y\n");
  EXPECT_EQ(file.step<WorkdirStep>(2).path, "/2/1");
}

TEST(Plan, ResolvesWorkdirsAgainstEachOther) {
  const File file("FROM a\nWORKDIR a\nWORKDIR b/../c/\nWORKDIR /d\nRUN x\n");
  EXPECT_EQ(file.step<WorkdirStep>(0).path, "/a");
  EXPECT_EQ(file.step<WorkdirStep>(1).path, "/a/c");
  EXPECT_EQ(file.step<RunStep>(3).cwd, "/d");
}

TEST(Plan, GivesShellFormsToTheShellThatIsSet) {
  const File file("FROM a\nRUN a b\nSHELL [\"/bin/bash\", \"-c\"]\nRUN c\nRUN [\"d\"]\nCMD e\n");
  EXPECT_EQ(file.step<RunStep>(0).argv, (Words{"/bin/sh", "-c", "a b"}));
  EXPECT_EQ(file.step<RunStep>(2).argv, (Words{"/bin/bash", "-c", "c"}));
  EXPECT_EQ(file.step<RunStep>(3).argv, Words{"d"});
  EXPECT_EQ(file.plan()->config.cmd, (Words{"/bin/bash", "-c", "e"}));
}

TEST(Plan, DropsTheBaseCmdWhenAnEntrypointIsSet) {
  image::Config base = image::empty_config(image::host_platform());
  base.cmd = {"base"};
  EXPECT_EQ(File("FROM a\nENTRYPOINT [\"e\"]\n").plan(0, base)->config.cmd, Words{});
  EXPECT_EQ(File("FROM a\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n").plan(0, base)->config.cmd, Words{"c"});
}

TEST(Plan, CollectsConfiguration) {
  const auto config = File("FROM a\nEXPOSE 80 443/TCP 127.0.0.1:9:53/udp 7000-7001\nVOLUME /b /a\nUSER me\nLABEL k=\"v w\"\n"
                           "STOPSIGNAL sigterm\nMAINTAINER M <m>\nHEALTHCHECK --interval=1s CMD x\nONBUILD RUN y\n").plan()->config;
  EXPECT_EQ(config.exposed_ports, (Words{"443/tcp", "53/udp", "7000/tcp", "7001/tcp", "80/tcp"}));
  EXPECT_EQ(config.volumes, (Words{"/a", "/b"}));
  EXPECT_EQ(config.user, "me");
  EXPECT_EQ(config.labels.at("k"), "v w");
  EXPECT_EQ(config.stop_signal, "sigterm");
  EXPECT_EQ(config.author, "M <m>");
  EXPECT_EQ(config.healthcheck, "{\"Interval\":1000000000,\"Test\":[\"CMD-SHELL\",\"x\"]}");
  EXPECT_EQ(config.onbuild, Words{"RUN y"});
}

TEST(Plan, RunsTheTriggersOfTheBaseFirstAndClearsThem) {
  image::Config base = image::empty_config(image::host_platform());
  base.onbuild = {"ENV T=1", "RUN echo $T"};
  const auto planned = File("FROM a\nRUN own\n").plan(0, base);
  ASSERT_TRUE(planned) << planned.error().message();
  EXPECT_EQ(std::get<RunStep>(planned->steps.at(1).what).argv.back(), "echo $T");
  EXPECT_TRUE(planned->steps[1].on_build);
  EXPECT_EQ(std::get<RunStep>(planned->steps.at(2).what).argv.back(), "own");
  EXPECT_EQ(planned->config.onbuild, Words{});
}

TEST(Plan, MakesScriptsOfHeredocs) {
  const File file("FROM a\nRUN <<EOF\nx\nEOF\nRUN <<EOF\n#!/bin/p\ny\nEOF\nRUN cat <<A | sort\nz\nA\n");
  EXPECT_EQ(file.step<RunStep>(0).argv.back(), "x\n");
  EXPECT_EQ(file.step<RunStep>(1).argv, Words{"/dev/pipes/EOF"});
  EXPECT_EQ(file.step<RunStep>(1).script->text, "#!/bin/p\ny\n");
  EXPECT_EQ(file.step<RunStep>(2).argv.back(), "cat <<A | sort\nz\nA");
}

TEST(Plan, ExpandsHeredocsOfCopyUnlessQuoted) {
  const File file("FROM a\nENV v=1\nCOPY <<A <<'B' /d/\n\"$v\"\nA\n$v\nB\n");
  const auto copy = file.step<CopyStep>(1);
  ASSERT_EQ(copy.inline_files.size(), 2U);
  EXPECT_EQ(copy.inline_files[0].content, "\"1\"\n");
  EXPECT_EQ(copy.inline_files[1].content, "$v\n");
}

TEST(Plan, MakesDestinationsAbsoluteAndKeepsWhetherADirectoryIsMeant) {
  const File file("FROM a\nWORKDIR /w\nCOPY a .\nCOPY a b\nCOPY a b/\nCOPY a /\nCOPY a ..\n");
  const char* const wanted[] = {"/w/", "/w/b", "/w/b/", "/", "/"};
  for (std::size_t n = 0; n < std::size(wanted); ++n) EXPECT_EQ(file.step<CopyStep>(n + 1).dest, wanted[n]);
}

TEST(Plan, ReadsTheDevicesOfARun) {
  const File file("FROM a\nRUN --device=v.com/d=foo,required --device=name=v.com/d=bar,required=false --device=/dev/fuse x\n");
  const auto devices = file.step<RunStep>(0).devices;
  ASSERT_EQ(devices.size(), 3U);
  EXPECT_EQ(devices[0].name, "v.com/d=foo");
  EXPECT_TRUE(devices[0].required);
  EXPECT_EQ(devices[1].name, "v.com/d=bar");
  EXPECT_FALSE(devices[1].required);
  EXPECT_EQ(devices[2].name, "/dev/fuse");
  EXPECT_FALSE(devices[2].allowed) << "by nobody";
  for (const char* wrong : {"fuse", "v.com/d=a,v.com/d=b", "v.com/d=a,name=b", "v.com/d=a,required=perhaps"})
    EXPECT_FALSE(File(fmt::format("FROM a\nRUN --device={} x\n", wrong)).plan()) << wrong;
}

TEST(Plan, TellsWhatIsFetchedFromWhatIsCopied) {
  const File file("FROM scratch\nADD a http://h/x.txt https://h/r.git#v1:sub git@h:p.git?submodules /d/\n");
  const auto step = file.step<CopyStep>(0);
  EXPECT_EQ(step.sources, Words{"a"});
  ASSERT_EQ(step.remotes.size(), 3U);
  EXPECT_FALSE(step.remotes[0].git);
  EXPECT_EQ(step.remotes[1].git->remote, "https://h/r.git");
  EXPECT_EQ(step.remotes[1].git->ref, "v1");
  EXPECT_EQ(step.remotes[1].git->subdir, "sub");
  EXPECT_EQ(step.remotes[2].git->remote, "git@h:p.git");
}

TEST(Plan, ShowsNobodyWhoFetches) {
  const auto planned = *File("FROM scratch\nARG P=s3cret\nADD http://bob:$P@h/x.txt /d/\nRUN curl https://bob:s3cret@h/y\n").plan();
  ASSERT_EQ(planned.steps.size(), 3U);
  EXPECT_EQ(planned.steps[1].title, "ADD http://h/x.txt /d/");
  EXPECT_EQ(planned.steps[2].title, "RUN curl https://h/y");
}

TEST(Plan, TakesNoFileWithAZeroByteInItsName) { EXPECT_FALSE(File("FROM scratch\nADD http://h/a%00b /d/\n").plan()); }

TEST(RemoteFile, HasTheNameThatTheUrlsPathEndsWith) {
  EXPECT_EQ(name_in_url("http://h/x/a.txt?q=/b#/c"), "a.txt");
  EXPECT_EQ(name_in_url("http://h/a%20b%2e.txt"), "a b..txt");
  EXPECT_EQ(name_in_url("http://h/a%2Fb"), "b");
  EXPECT_EQ(name_in_url("http://h/dir/"), "dir");
  EXPECT_EQ(name_in_url("http://h/dir/%2F/"), "dir");
  EXPECT_EQ(name_in_url("http://h/a%zz"), "");
  EXPECT_EQ(name_in_url("http://h/a%2"), "");
  for (const char* none : {"http://h", "http://h/", "http://h//", "http://h?x=/y", "http://h/.", "http://h/a/..", "http://h/%2e%2E"})
    EXPECT_EQ(name_in_url(none), "") << none;
}

TEST(RemoteFile, IsFoundWhereARedirectLeads) {
  EXPECT_EQ(*redirected("http://h/a/b?c", "/auth?next=http://x.example/y"), "http://h/auth?next=http://x.example/y");
  EXPECT_EQ(*redirected("http://h/a/b", "c?d=http://e"), "http://h/a/c?d=http://e");
  EXPECT_EQ(*redirected("http://h", "c"), "http://h/c");
  EXPECT_EQ(*redirected("https://h/a", "//other/b"), "https://other/b");
  EXPECT_EQ(*redirected("http://h/a", "HTTPS://other/b"), "https://other/b");
  EXPECT_EQ(*redirected("http://me:pw@h/a", "/b"), "http://me:pw@h/b") << "the same server";
  EXPECT_EQ(*redirected("http://me:pw@h/a", "http://other/b"), "http://other/b");
}

TEST(RemoteFile, IsNotFetchedWhereAnybodyCouldAnswer) {
  const auto plain = redirected("https://me:pw@h/a", "http://who:knows@h/b");
  ASSERT_FALSE(plain);
  EXPECT_EQ(plain.error().message(), "it leads from https to http://h/b, where anybody could answer");
  EXPECT_FALSE(redirected("http://h/a", "file:///etc/passwd"));
  EXPECT_FALSE(redirected("http://h/a", "ftp://h/b"));
}

TEST(Plan, FillsInWhatAMountLeavesOut) {
  const File file("FROM scratch\nWORKDIR /w\nRUN --mount=type=cache,target=c --mount=type=secret,target=/x/key "
                  "--mount=type=secret,id=a/b --mount=type=secret,id=e,env=E --mount=type=ssh --mount=type=ssh x\n");
  const auto mounts = file.step<RunStep>(1).mounts;
  ASSERT_EQ(mounts.size(), 6U);
  EXPECT_EQ(mounts[0].is.target, "/w/c");
  EXPECT_EQ(mounts[0].is.id, "/w/c");
  EXPECT_EQ(mounts[1].is.id, "key");
  EXPECT_EQ(mounts[2].is.target, "/run/secrets/b");
  EXPECT_EQ(mounts[3].is.target, "");
  EXPECT_EQ(mounts[4].is.id, "default");
  EXPECT_EQ(mounts[5].is.target, "/run/buildkit/ssh_agent.1");
}

TEST(Graph, NeedsStagesThatAreOnlyMounted) {
  const File file("FROM scratch AS one\nFROM scratch AS two\nFROM scratch\nRUN --mount=from=one,target=/x y\n");
  EXPECT_EQ(file.graph()->needed, (std::vector<std::size_t>{0, 2}));
}

TEST(Graph, PutsNamedContextsBeforeStagesAndImages) {
  const File file("FROM scratch AS one\nFROM alpine:latest\nCOPY --from=one a /\n");
  const Strings contexts = {{"one", "/dir"}, {"docker.io/library/alpine", "oci:/x"}};
  const auto graph = make_graph(file.file, "", file.scope, contexts);
  ASSERT_TRUE(graph);
  EXPECT_EQ(graph->needed, (std::vector<std::size_t>{1}));
  EXPECT_EQ(*find_context(contexts, "alpine"), "oci:/x");
  EXPECT_EQ(find_context(contexts, "debian"), nullptr);
}

TEST(RemoteSource, IsKnownWithoutAskingWhereItIsPinned) {
  const std::string commit(40, 'a');
  const auto pinned = [](CopyStep::Remote remote) {
    const auto source = pinned_source(remote);
    return source ? source->identity : "to be asked for";
  };
  EXPECT_EQ(pinned({.url = "http://h/f"}), "to be asked for");
  EXPECT_EQ(pinned({.url = "http://h/f", .checksum = "sha256:1"}), "sha256:1");
  EXPECT_NE(pinned({.url = "http://h/f", .checksum = "sha256:1", .unpack = true}), "sha256:1");
  EXPECT_EQ(pinned({.url = "", .git = GitRef{.remote = "http://h/r.git", .ref = "main", .checksum = commit}}), "to be asked for");
  EXPECT_NE(pinned({.url = "", .git = GitRef{.remote = "http://h/r.git", .ref = commit}}).find(commit), std::string::npos);
  EXPECT_EQ(pinned({.url = "", .git = GitRef{.remote = "http://h/r.git", .ref = commit, .checksum = "b"}}), "to be asked for") << "a mistake, to be told of";
}

TEST(PublicUrl, TellsNobodyWhoSomebodyIs) {
  EXPECT_EQ(without_users("https://user:p@ss@host/x@y?a=@"), "https://host/x@y?a=@");
  EXPECT_EQ(without_users("fatal: unable to access 'https://token@host:1/r.git/': no, ssh://git@h/r and git@h:r"),
            "fatal: unable to access 'https://host:1/r.git/': no, ssh://h/r and git@h:r");
  EXPECT_EQ(without_users("https://host/x http://a@b"), "https://host/x http://b");
  EXPECT_EQ(without_users("nothing://"), "nothing://");
}

TEST(GitRef, ReadsEverySpelling) {
  const auto read = [](std::string_view text) {
    auto git = parse_git_ref(text);
    return git && *git ? fmt::format("{} {} {} {}", (*git)->remote, (*git)->ref, (*git)->subdir, (*git)->checksum) : "none";
  };
  EXPECT_EQ(read("https://h/p.git"), "https://h/p.git   ");
  EXPECT_EQ(read("git://h/p"), "git://h/p   ");
  EXPECT_EQ(read("git@h:o/p.git#main"), "git@h:o/p.git main  ");
  EXPECT_EQ(read("https://h/p.git?branch=b&subdir=s%2Ft&checksum=abc"), "https://h/p.git refs/heads/b s/t abc");
  EXPECT_EQ(read("https://h/p.git?tag=v1#v2"), "none");
  EXPECT_EQ(read("https://h/p.git?no=1"), "none");
  EXPECT_EQ(read("https://h/p.git?checksum=nohex"), "none");
  EXPECT_EQ(read("https://h/p.tar.gz"), "none");
  EXPECT_EQ(read("./a@b:c"), "none");
  EXPECT_FALSE(parse_git_ref("https://h/p.git#--upload-pack=x"));
}

TEST(GitRef, Rows) {
  struct Row {
    const char *text, *wanted;  // remote, reference, directory, checksum; "none" is no repository; else words of the complaint
  };
  static constexpr Row kRows[] = {
      {"https://h/", "none"},
      {"https://h/p", "none"},
      {"https://h/p.git/", "none"},
      {"https://h/p.git.tar", "none"},
      {"http://h/p.git:#b", "none"},
      {"h.io/o/p.git", "none"},
      {"./p.git", "none"},
      {"p.git", "none"},
      {".git", "none"},
      {"https://h/p.git", "https://h/p.git|||"},
      {"http://h/p.git", "http://h/p.git|||"},
      {"https://u:pw@h/o/p.git", "https://u:pw@h/o/p.git|||"},
      {"https://h/p.git#abc", "https://h/p.git|abc||"},
      {"https://h/p.git#v/1.2", "https://h/p.git|v/1.2||"},
      {"https://h/p.git#v/1:a/b", "https://h/p.git|v/1|a/b|"},
      {"https://h/p.git#:a", "https://h/p.git||a|"},
      {"git://h/p", "git://h/p|||"},
      {"ssh://git@h:22/p", "ssh://git@h:22/p|||"},
      {"git@h:o/p", "git@h:o/p|||"},
      {"git@h:o/p.git", "git@h:o/p.git|||"},
      {"me@h.io:p.git#main:d", "me@h.io:p.git|main|d|"},
      {"git@h:o/p.git?subdir=/d#v1", "git@h:o/p.git|v1|/d|"},
      {"https://h/p.git?ref=v1&subdir=/d", "https://h/p.git|v1|/d|"},
      {"https://h/p.git?subdir=/d#v1", "https://h/p.git|v1|/d|"},
      {"https://h/p.git?tag=v1", "https://h/p.git|refs/tags/v1||"},
      {"https://h/p.git?tag=refs/tags/v1", "https://h/p.git|refs/tags/v1||"},
      {"https://h/p.git?branch=v1", "https://h/p.git|refs/heads/v1||"},
      {"https://h/p.git?ref=v1#v1", "https://h/p.git|v1||"},
      {"https://h/p.git?commit=abc", "https://h/p.git|||abc"},
      {"https://h/p.git?mtime=commit", "https://h/p.git|||"},
      {"https://h/p.git?mtime=checkout", "https://h/p.git|||"},
      {"https://h/p.git?fetch-by-commit=true&checksum=abc#refs/heads/b", "https://h/p.git|refs/heads/b||abc"},
      {"https://h/p.git?fetch-by-commit&checksum=abc", "https://h/p.git|||abc"},
      {"https://h/p.git?fetch-by-commit=false&keep-git-dir&submodules=0", "https://h/p.git|||"},
      {"https://h/p.git?ref=v1#v2", "ref conflicts"},
      {"https://h/p.git?ref=v1&tag=v2", "ref conflicts"},
      {"https://h/p.git?tag=v1&branch=v1", "branch conflicts with tag"},
      {"https://h/p.git?subdir=a#b:c", "subdir conflicts"},
      {"https://h/p.git?mtime=now", "invalid mtime value"},
      {"https://h/p.git?fetch-by-commit=perhaps", "fetch-by-commit"},
      {"https://h/p.git?submodules=perhaps", "submodules"},
      {"https://h/p.git?ref=", "has no value"},
      {"https://h/p.git?other=1", "knows no query \"other\""},
  };
  for (const Row& row : kRows) {
    const auto git = parse_git_ref(row.text);
    if (!git) EXPECT_NE(git.error().message().find(row.wanted), std::string::npos) << row.text << ": " << git.error().message();
    else EXPECT_EQ(*git ? fmt::format("{}|{}|{}|{}", (*git)->remote, (*git)->ref, (*git)->subdir, (*git)->checksum) : "none", row.wanted) << row.text;
  }
  EXPECT_TRUE((*parse_git_ref("https://h/p.git?mtime=commit"))->commit_times);
  EXPECT_TRUE((*parse_git_ref("https://h/p.git?fetch-by-commit"))->by_commit);
}

TEST(Plan, ExposesPortsHoweverTheyAreWritten) {
  const auto ports = [](std::string_view written) {
    const auto planned = File(fmt::format("FROM scratch\nEXPOSE {}\n", written)).plan();
    return planned ? fmt::format("{}", fmt::join(planned->config.exposed_ports, " ")) : planned.error().message().substr(0, planned.error().message().find('\n'));
  };
  static constexpr std::pair<const char*, const char*> kRows[] = {
      {"80", "80/tcp"},
      {"80/", "80/tcp"},
      {"80/UDP 443/tcp 9/sctp", "443/tcp 80/udp 9/sctp"},
      {"8001-8003/udp", "8001/udp 8002/udp 8003/udp"},
      {"80-80", "80/tcp"},
      {"81:80/tcp", "80/tcp"},
      {"1.2.3.4:81:80", "80/tcp"},
      {"1.2.3.4::80", "80/tcp"},
      {"1.2.3.4:91-93:81-83/tcp", "81/tcp 82/tcp 83/tcp"},
      {"91-93:81", "81/tcp"},
      {"[2001:db8::1]::80", "80/tcp"},
      {"[::1]:81:80", "80/tcp"},
      {"2001:db8::1::80", "80/tcp"},
      {"::1:81:80", "80/tcp"},
      {"::::80", "80/tcp"},
      {"0", "0/tcp"},
      {"65535", "65535/tcp"},
      {"1.2.3.4:80:/tcp", "invalid port: \"1.2.3.4:80:/tcp\": no port specified"},
      {"1.2.3.4:80:", "invalid port: \"1.2.3.4:80:\": no port specified"},
      {"/tcp", "invalid port: \"/tcp\": no port specified"},
      {"80/http", "invalid port: \"80/http\": invalid proto: http"},
      {"localhost:81:80/tcp", "invalid IP address: localhost"},
      {"localhost:91-93:81-83", "invalid IP address: localhost"},
      {"1.2.3.400:81:80", "invalid IP address: 1.2.3.400"},
      {"x:80", "invalid hostPort: x"},
      {"91-92:81-83", "invalid ranges specified for container and host Ports: 81-83 and 91-92"},
      {"65536", "invalid containerPort: 65536: EXPOSE wants 80, 80/udp or 8000-8010/tcp"},
      {"83-81", "invalid containerPort: 83-81: EXPOSE wants 80, 80/udp or 8000-8010/tcp"},
      {"-80", "invalid containerPort: -80: EXPOSE wants 80, 80/udp or 8000-8010/tcp"},
  };
  for (const auto& [written, wanted] : kRows) EXPECT_EQ(ports(written), wanted) << written;
}

TEST(Plan, TitlesTellValuesAndNoSecrets) {
  const auto planned = File("FROM scratch\nARG V=1\nRUN --mount=type=secret,id=s,env=KEY make \"$V\" ${KEY} $UNKNOWN \\$V\n").plan();
  ASSERT_TRUE(planned);
  EXPECT_EQ(planned->steps.at(1).title, "RUN --mount=type=secret,id=s,env=KEY make \"1\" **** $UNKNOWN \\$V");
}

TEST(Plan, TellsMistakesInDockersWords) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"COPY --from=$X a b", "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround"},
      {"COPY --chmod=64a a b", "invalid chmod parameter: '64a'. it should be octal string and between 0 and 07777"},
      {"COPY http://h/x b", "source can't be a URL for COPY"},
      {"ADD --checksum=sha256:0 a b", "checksum requires HTTP(S) or Git sources"},
      {"ADD --checksum=nohex https://h/r.git b", "invalid checksum nohex: expected hex commit hash"},
      {"RUN --security=none x", "security \"none\" is not valid"},
      {"RUN --network=lan x", "invalid network mode \"lan\""},
      {"COPY --from=later a b", "cannot copy from stage \"later\", it needs to be defined before current stage \"stage-0\""},
      {"RUN --mount=from=later,target=/a x", "cannot mount from stage \"later\" to \"/a\", stage needs to be defined before current command"},
      {"RUN --mount=target=/ x", "invalid mount target \"/\""},
  };
  for (const auto& [line, words] : mistakes) {
    const auto planned = File(fmt::format("FROM scratch\n{}\nFROM scratch AS later\n", line)).plan();
    ASSERT_FALSE(planned) << line;
    EXPECT_TRUE(planned.error().message().starts_with(words)) << planned.error().message();
  }
}

TEST(Plan, PointsAtPathsThatAreNone) {
  for (const char* line : {"COPY [\"f\", \"/a\\u0000b\"]", "COPY <<.. /x\n.."}) {
    const auto planned = File(fmt::format("FROM a\n{}\n", line)).plan();
    ASSERT_FALSE(planned) << line;
    EXPECT_NE(planned.error().message().find("\nDockerfile:2\n"), std::string::npos) << planned.error().message();
  }
  EXPECT_EQ(File("FROM a\nCOPY <<../x /d/\ntext\n../x\n").step<CopyStep>(0).inline_files.front().name, "x");
}

TEST(Plan, GivesCacheMountsASpaceOfNamesWhereOneIsGiven) {
  const File file("FROM a\nRUN --mount=type=cache,target=/c --mount=type=cache,id=i,target=/d x\n", {{"BUILDKIT_CACHE_MOUNT_NS", "team"}});
  const auto mounts = file.step<RunStep>(0).mounts;
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].is.id, "team//c");
  EXPECT_EQ(mounts[1].is.id, "team/i");
}

TEST(Plan, LetsTheLaterOfArgAndEnvCount) {
  const File file("FROM a\nENV A=1\nARG A=2\nENV Z=$A\nRUN x\nENV A=3\nRUN y\nARG A\nRUN z\n");
  EXPECT_EQ(get_env(file.step<RunStep>(3).env, "A"), "2");
  EXPECT_EQ(get_env(file.step<RunStep>(3).env, "Z"), "2");
  EXPECT_EQ(get_env(file.step<RunStep>(5).env, "A"), "3");
  EXPECT_EQ(get_env(file.step<RunStep>(7).env, "A"), "3");
  EXPECT_EQ(file.plan()->steps[3].created_by, "RUN |1 A=2 /bin/sh -c x # buildkit");
  EXPECT_EQ(file.plan()->steps[5].created_by, "RUN |1 A=3 /bin/sh -c y # buildkit");
}

TEST(Plan, PutsMountsByWhereTheyLieAndThenSecretsAsTheyWereWritten) {
  const File file("FROM a\nRUN --mount=type=ssh --mount=type=tmpfs,target=/a/b --mount=type=secret,id=s,target=/0 --mount=from=a,target=/a/b/c --mount=type=cache,target=/a x\n");
  std::string targets;
  for (const auto& mount : file.step<RunStep>(0).mounts) targets += mount.is.target + " ";
  EXPECT_EQ(targets, "/a /a/b /a/b/c /run/buildkit/ssh_agent.0 /0 ");
}

TEST(Plan, PointsAtMistakes) {
  for (const char* line : {"COPY --from=$X a b", "COPY --chmod=9 a b", "EXPOSE x", "EXPOSE 70000", "STOPSIGNAL NOW",
                           "RUN --network=lan x", "ENV a=${b:?needed}", "WORKDIR $NONE", "ENV a='"}) {
    const auto planned = File(fmt::format("FROM a\n{}\n", line)).plan();
    ASSERT_FALSE(planned) << line;
    EXPECT_NE(planned.error().message().find("\nDockerfile:2\n"), std::string::npos) << planned.error().message();
  }
}

TEST(ModeChange, AppliesOctalAndSymbolicModes) {
  const auto apply = [](std::string_view text, mode_t mode, bool dir = false) { return ModeChange::parse(text)->apply(mode, dir); };
  EXPECT_EQ(apply("4755", 0600), 04755U);
  EXPECT_EQ(apply("u=rwX,go=rX", 0600), 0644U);
  EXPECT_EQ(apply("u=rwX,go=rX", 0700), 0755U);
  EXPECT_EQ(apply("u=rwX,go=rX", 0600, true), 0755U);
  EXPECT_EQ(apply("a+x,o-r", 0644), 0751U);
  EXPECT_EQ(apply("g=u", 0640), 0660U);
  EXPECT_EQ(apply("+t,u+s", 0755), 05755U);
  for (const char* text : {"", "8", "77777", "z+x", "u", "u+q", "u=rw,"}) EXPECT_FALSE(ModeChange::parse(text)) << text;
}

TEST(Users, AreFoundByNameAndNumber) {
  constexpr std::string_view passwd = "root:x:0:0:root:/:/bin/sh\nme:x:1000:100::/:\n";
  constexpr std::string_view group = "users:x:100:\nstaff:x:50:me\n";
  const auto ids = [&](std::string_view text, UnknownNames unknown = UnknownNames::refused) {
    const auto found = resolve_owner_in(passwd, group, text, unknown);
    return found ? fmt::format("{}:{}", found->uid, found->gid) : found.error().message();
  };
  EXPECT_EQ(ids("me"), "1000:100");
  EXPECT_EQ(ids("me:staff"), "1000:50");
  EXPECT_EQ(ids("5"), "5:5");
  EXPECT_EQ(ids("5:6"), "5:6");
  EXPECT_EQ(ids("nobody"), "unable to find user nobody: no matching entries in passwd file of the image");
  EXPECT_EQ(ids("me:none"), "unable to find group none: no matching entries in group file of the image");

  EXPECT_EQ(ids("me", UnknownNames::are_root), "1000:100");
  EXPECT_EQ(ids("nobody", UnknownNames::are_root), "0:0");
  EXPECT_EQ(ids("nobody:staff", UnknownNames::are_root), "0:50");
  EXPECT_EQ(ids("me:none", UnknownNames::are_root), "1000:100");
}

TEST(Users, AreReadThroughTheImagesOwnSymlinks) {
  const auto root = make_memory_layer({memory_symlink("etc/passwd", "/real/../real/passwd"), memory_file("real/passwd", "me:x:7:8::/:\n")});
  const auto ids = resolve_owner(**root, "me", UnknownNames::refused);
  ASSERT_TRUE(ids) << ids.error().message();
  EXPECT_EQ(ids->uid, 7U);
}

}  // namespace
}  // namespace acetate::build
