"""Dockerfiles of the kinds people write, each with a context: made here, so that no network is needed. What measures (real.py) and what compares results
(tests/e2e/build_real_test.sh) take them from here.

A project is a function that fills a directory and names the file of it that people edit.
"""
import io
import os
import shutil
import subprocess
import tarfile
import zipfile

BASE = "localhost/bench-base:latest"
NODE = "localhost/bench-node:latest"  # the base with node and npm
# As an installation of packages does: many small files. Without a network it is made instead of fetched.
INSTALL = (
    "RUN python3 -c \"import os; [(os.makedirs(f'/usr/local/lib/site/p{d}', exist_ok=True), "
    "[open(f'/usr/local/lib/site/p{d}/m{n}.py', 'w').write(f'value = {n}\\n' * 40) for n in range(40)]) for d in range(60)]\"\n"
    "RUN python3 -m compileall -q /usr/local/lib/site\n"
)


def write(path: str, text: str, mode: int = 0o644) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def c_source(name: str) -> str:
    return "#include <stdio.h>\n" + "".join(f"static int f{n}(int x) {{ return x * {n} + {n}; }}\n" for n in range(300)) + \
        "int main(void) { int x = 1;\n" + "".join(f"x += f{n}(x);\n" for n in range(300)) + f'printf("{name} %d\\n", x); return 0; }}\n'


def tarball(path: str, files: dict[str, str], mode: str = "w:gz") -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(text.encode()), 1_600_000_000, 0o755 if text.startswith("#!") else 0o644
            tar.addfile(info, io.BytesIO(text.encode()))


def python_app(ctx: str) -> str:
    write(ctx + "/requirements.txt", "flask\n")
    for n in range(50):
        write(f"{ctx}/app/module{n}.py", f"VALUE = {n}\n" * 50)
    write(ctx + "/Dockerfile", f"FROM {BASE}\nWORKDIR /srv\nCOPY requirements.txt .\n{INSTALL}COPY app app\n"
          "RUN python3 -m compileall -q app\nCMD [\"python3\", \"-m\", \"app\"]\n")
    return "app/module7.py"


def sloppy(ctx: str) -> str:
    """Everything is copied first, as half of the world does."""
    python_app(ctx)
    write(ctx + "/README.md", "text\n")
    write(ctx + "/Dockerfile", f"FROM {BASE}\nWORKDIR /srv\nCOPY . .\n{INSTALL}RUN python3 -m compileall -q app\n")
    return "README.md"


def multi_stage_c(ctx: str) -> str:
    for name in ("one", "two", "three"):
        write(f"{ctx}/src/{name}.c", c_source(name))
    write(ctx + "/Dockerfile", f"FROM {BASE} AS build\nCOPY src /src\nRUN mkdir /out && for p in one two three; do gcc -O1 -o /out/$p /src/$p.c; done\n"
          f"FROM {BASE}\nCOPY --from=build /out /usr/local/bin/\nCMD [\"one\"]\n")
    return "src/two.c"


def monorepo(ctx: str) -> str:
    stages, copies = "", ""
    for name in ("api", "web", "jobs", "tools"):
        write(f"{ctx}/{name}/main.c", c_source(name))
        stages += f"FROM {BASE} AS {name}\nCOPY {name} /src\nRUN gcc -O1 -o /bin-{name} /src/main.c\n"
        copies += f"COPY --from={name} /bin-{name} /usr/local/bin/{name}\n"
    write(ctx + "/Dockerfile", stages + f"FROM {BASE}\n" + copies)
    return "web/main.c"


def static_binary(ctx: str) -> str:
    """As Go programs are put into images: tests in a stage of their own, the binary alone on nothing."""
    write(ctx + "/cmd/server/main.c", c_source("server"))
    write(ctx + "/cmd/server/main_test.sh", "#!/bin/sh\n/out/server | grep -q server\n", 0o755)
    write(ctx + "/.dockerignore", "*.md\n**/*_test.sh\n!cmd/server/main_test.sh\n")
    write(ctx + "/README.md", "text\n")
    write(ctx + "/Dockerfile", f"ARG VERSION=dev\nFROM {BASE} AS build\nWORKDIR /go/src\nCOPY . .\n"
          "RUN mkdir /out && gcc -static -O1 -o /out/server cmd/server/main.c\nFROM build AS test\nRUN cmd/server/main_test.sh && echo passed >/out/tested\n"
          "FROM scratch\nARG VERSION\nLABEL org.opencontainers.image.version=$VERSION\nCOPY --from=test /out/server /out/tested /\n"
          "COPY --from=build /etc/passwd /etc/passwd\nUSER 65534:65534\nEXPOSE 8080/tcp\nENTRYPOINT [\"/server\"]\n")
    return "cmd/server/main.c"


def service_user(ctx: str) -> str:
    """An account, a directory of its own, an entry point script, a volume and a health check."""
    write(ctx + "/entrypoint.sh", "#!/bin/sh\nset -e\n[ \"$1\" = serve ] && shift\nexec \"$@\"\n", 0o755)
    write(ctx + "/config/app.ini", "[app]\nport=8080\n")
    write(ctx + "/config/local.ini", "secret\n")
    write(ctx + "/.dockerignore", "config/local*\n")
    write(ctx + "/Dockerfile", f"FROM {BASE}\nENV APP_HOME=/opt/app LOG_LEVEL=info\n"
          "RUN groupadd --gid 10001 app && useradd --uid 10001 --gid app --no-create-home --home-dir $APP_HOME --shell /bin/false app\n"
          "COPY --chown=app:app config/ $APP_HOME/config/\nCOPY entrypoint.sh /usr/local/bin/\n"
          "RUN mkdir -p $APP_HOME/data /var/lib/app && chown -R app:app $APP_HOME /var/lib/app && chmod 750 $APP_HOME/data\n"
          "VOLUME /var/lib/app\nWORKDIR $APP_HOME\nUSER app\nRUN id -u >uid && umask 077 && echo mine >data/private\n"
          "EXPOSE 8080 9090/udp\nSTOPSIGNAL SIGINT\nHEALTHCHECK --interval=30s --timeout=3s CMD [\"/bin/true\"]\n"
          "ENTRYPOINT [\"entrypoint.sh\"]\nCMD [\"serve\", \"sleep\", \"1\"]\n")
    return "config/app.ini"


def wheels(ctx: str) -> str:
    """What pip install --no-index does: wheels of the context are unpacked into site-packages, and byte-compiled."""
    os.makedirs(ctx + "/wheels", exist_ok=True)
    for package in ("alpha", "beta", "gamma"):
        with zipfile.ZipFile(f"{ctx}/wheels/{package}-1.0-py3-none-any.whl", "w") as wheel:
            for n in range(20):
                wheel.writestr(zipfile.ZipInfo(f"{package}/m{n}.py"), f"NAME = '{package}'\nN = {n}\n")
            wheel.writestr(zipfile.ZipInfo(f"{package}/__init__.py"), "")
            wheel.writestr(zipfile.ZipInfo(f"{package}-1.0.dist-info/METADATA"), f"Name: {package}\nVersion: 1.0\n")
    write(ctx + "/main.py", "import alpha.m1, beta.m2, gamma.m3\nprint(alpha.m1.NAME, beta.m2.N, gamma.m3.N)\n")
    write(ctx + "/Dockerfile", f"FROM {BASE} AS venv\nCOPY wheels /wheels\n"
          "RUN mkdir -p /venv/site && for wheel in /wheels/*.whl; do python3 -m zipfile -e $wheel /venv/site; done && "
          "python3 -m compileall -q --invalidation-mode unchecked-hash /venv/site\n"
          f"FROM {BASE}\nENV PYTHONPATH=/venv/site PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1\nCOPY --from=venv /venv /venv\nWORKDIR /app\nCOPY main.py .\n"
          "RUN python3 main.py >/checked\nCMD [\"python3\", \"main.py\"]\n")
    return "main.py"


def autotools(ctx: str) -> str:
    """A tarball of sources: unpacked by ADD, configured, made, installed, and what was needed for it removed in the same step."""
    tarball(ctx + "/thing-1.2.tar.gz", {
        "thing-1.2/configure": "#!/bin/sh\nfor a; do case $a in --prefix=*) p=${a#*=};; esac; done\necho \"prefix=$p\" >config.mk\n",
        "thing-1.2/build.sh": "#!/bin/sh\n. ./config.mk\ngcc -O1 -o thing thing.c && install -D -m 755 thing $prefix/bin/thing && "
                              "install -D -m 644 thing.1 $prefix/share/man/man1/thing.1 && ln -sf thing $prefix/bin/thing-1\n",
        "thing-1.2/thing.c": c_source("thing"), "thing-1.2/thing.1": ".TH thing 1\n"})
    write(ctx + "/profile.sh", "export THING=1\n")
    write(ctx + "/Dockerfile", f"FROM {BASE}\nADD thing-1.2.tar.gz /usr/src/\n"
          "RUN cd /usr/src/thing-1.2 && ./configure --prefix=/opt/thing && ./build.sh && cd / && rm -rf /usr/src/thing-1.2 /usr/share/doc/libc6 && "
          "strip /opt/thing/bin/thing\nCOPY profile.sh /etc/profile.d/thing.sh\nENV PATH=/opt/thing/bin:$PATH\nRUN thing >/proof\nCMD thing\n")
    return "profile.sh"


def git_sources(ctx: str) -> str:
    """Sources that a step clones, from a repository that it sees by a mount, with a cache for objects."""
    env = dict(os.environ, GIT_AUTHOR_NAME="n", GIT_AUTHOR_EMAIL="e", GIT_COMMITTER_NAME="n", GIT_COMMITTER_EMAIL="e",
               GIT_AUTHOR_DATE="1600000000 +0000", GIT_COMMITTER_DATE="1600000000 +0000")
    write(ctx + "/sources/lib.c", c_source("lib"))
    write(ctx + "/sources/extra/note.txt", "text\n")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "one"], ["tag", "v1"]):
        subprocess.run(["git", "-C", ctx + "/sources", *words], check=True, env=env)
    write(ctx + "/options", "-O1\n")
    write(ctx + "/Dockerfile", f"FROM {BASE} AS fetch\nRUN --mount=type=bind,source=sources,target=/mirror "
          "git config --global safe.directory '*' && git clone -q --depth 1 --branch v1 file:///mirror /work && rm -rf /work/.git\n"
          f"FROM {BASE}\nCOPY --from=fetch /work /work\nCOPY options /work/\nRUN --mount=type=cache,target=/cache "
          "cd /work && gcc $(grep -v '^#' options) -o lib lib.c && cp lib /cache/ && ./lib >/result\n")
    return "options"


def arguments(ctx: str) -> str:
    """Build arguments in every place, triggers of a stage, another shell."""
    write(ctx + "/settings/base.env", "A=1\n")
    write(ctx + "/settings/extra.env", "B=2\n")
    write(ctx + "/Dockerfile", f"ARG FLAVOUR=extra\nARG TAG=latest\nFROM {BASE.rsplit(':', 1)[0]}:${{TAG}} AS common\nARG FLAVOUR\n"
          "ENV FLAVOUR=${FLAVOUR:-none} GREETING=\"hello \\\"$FLAVOUR\\\"\"\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\n"
          "RUN echo \"$GREETING\" | tee /greeting >/dev/null && [[ $FLAVOUR == e* ]] && echo bash >/which\n"
          "FROM common AS base-files\nCOPY settings/base.env /settings/\nFROM common\nARG FLAVOUR\nCOPY --from=base-files /settings /settings\n"
          "COPY settings/${FLAVOUR}.env /settings/chosen.env\nLABEL flavour=$FLAVOUR multi.line=\"a \\\nb\"\nWORKDIR /a\nWORKDIR b/${FLAVOUR}\n"
          "RUN cat /settings/*.env >all.env\n")
    return "settings/base.env"


def cleaning(ctx: str) -> str:
    """Much is removed, replaced, linked and given other rights: what layers are worst at."""
    write(ctx + "/motd", "welcome\n")
    write(ctx + "/Dockerfile", f"FROM {BASE}\nRUN rm -rf /usr/share/doc /usr/share/man /usr/share/locale && find /usr/lib/python3* -name '*.pyc' -delete\n"
          "RUN mkdir /usr/share/doc && echo new >/usr/share/doc/only && ln /usr/share/doc/only /usr/share/doc/second && ln -s only /usr/share/doc/third\n"
          "RUN chmod u+s /usr/bin/perl && chown 3:4 /usr/bin/perl && mkfifo -m 600 /run/pipe && touch -d @1000000000 /old\n"
          "RUN rm /etc/motd; mkdir /etc/motd && echo in >/etc/motd/it && mv /usr/share/perl /usr/share/perl-moved && ln -s perl-moved /usr/share/perl\n"
          "RUN rm -rf /etc/motd\nCOPY motd /etc/motd\nRUN rm /usr/share/doc/second && cp /bin/true /bin/really-true\n")
    return "motd"


def node_base(ctx: str) -> str:
    """The base with this machine's node and npm: what it is made of, in `ctx`, which is handed back. What is missing is in a RuntimeError."""
    npm, program = shutil.which("npm"), shutil.which("node")
    if not npm or not program:
        raise RuntimeError("npm is not installed")
    os.makedirs(ctx)
    subprocess.run(["cp", "-rL", os.path.join(os.path.dirname(os.path.realpath(npm)), ".."), ctx + "/npm"], check=True)
    subprocess.run(["cp", "-L", program, ctx + "/node"], check=True)
    write(ctx + "/Dockerfile", f"FROM {BASE}\nCOPY --chmod=755 node /usr/local/bin/node\nCOPY npm /usr/local/lib/node_modules/npm\n"
                               "RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && npm --version\n")
    return ctx


def node(ctx: str) -> str:
    """npm without a network: packages of the context, and a cache of npm's that is kept from build to build."""
    for package in ("left", "right"):
        tarball(f"{ctx}/vendor/{package}-1.0.0.tgz", {
            "package/package.json": f'{{"name": "{package}", "version": "1.0.0", "main": "index.js"}}\n',
            "package/index.js": f"module.exports = s => '{package}:' + s;\n"})
    write(ctx + "/package.json", '{"name": "app", "version": "1.0.0", "dependencies": {"left": "file:vendor/left-1.0.0.tgz", "right": "file:vendor/right-1.0.0.tgz"}}\n')
    write(ctx + "/server.js", "console.log(require('left')(require('right')('x')));\n")
    write(ctx + "/.dockerignore", "node_modules\nnpm-debug.log\n")
    write(ctx + "/Dockerfile", f"FROM {NODE} AS deps\nWORKDIR /app\nCOPY package*.json ./\nCOPY vendor vendor\n"
          "RUN --mount=type=cache,target=/root/.npm npm install --offline --no-audit --no-fund --omit=dev --loglevel=error\n"
          f"FROM {NODE}\nENV NODE_ENV=production\nWORKDIR /app\nCOPY --from=deps /app/node_modules ./node_modules\nCOPY server.js .\n"
          "RUN node server.js >/started\nEXPOSE 3000\nCMD [\"node\", \"server.js\"]\n")
    return "server.js"


def nginx(ctx: str, packages: str) -> str:
    """The classic from every tutorial."""
    os.makedirs(ctx + "/debs", exist_ok=True)
    for name in os.listdir(packages):
        if name.endswith(".deb"):
            os.link(f"{packages}/{name}", f"{ctx}/debs/{name}")
    write(ctx + "/nginx.conf", "daemon off;\nworker_processes 1;\npid /run/nginx.pid;\nerror_log /dev/stderr;\nevents {}\nhttp { access_log off;\n"
          "server { listen 80; root /var/www/html; } }\n")
    write(ctx + "/html/index.html", "hello from nginx\n")
    write(ctx + "/Dockerfile", f"FROM {BASE}\nRUN --mount=type=bind,source=debs,target=/debs dpkg -i /debs/*.deb >/dev/null\nCOPY nginx.conf /etc/nginx/nginx.conf\n"
          "COPY html /var/www/html\nRUN ln -sf /dev/stderr /var/log/nginx/error.log\nEXPOSE 80\nCMD [\"nginx\"]\n")
    return "nginx.conf"


PROJECTS = {"python": python_app, "sloppy": sloppy, "c": multi_stage_c, "monorepo": monorepo, "static": static_binary, "service": service_user, "wheels": wheels,
            "autotools": autotools, "git": git_sources, "arguments": arguments, "cleaning": cleaning}
