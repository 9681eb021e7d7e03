"""Git: what it prints itself, and what pip, uv and Poetry print around it."""

from __future__ import annotations

from tfprov.diagnose.records import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        name="git-access",
        code="source-unreachable",
        reads="git and ssh: the host wants a login or does not know this one, or there is no such repository",
        needs=(
            "could not read username",
            "could not read password",
            "authentication failed for",
            "publickey",
            "host key verification failed",
            "repository not found",
            "could not read from remote repository",
            "does not appear to be a git repository",
            "fatal: repository",
            "invalid username or",
        ),
        pattern=r"could not read (?:Username|Password) for|Authentication failed for|Permission denied \(publickey|Host key verification failed|Repository not found|Could not read from remote repository|does not appear to be a git repository|fatal: repository .{1,200} (?:not found|does not exist)",
        examples=(
            "fatal: could not read Username for 'https://host.example': terminal prompts disabled",
            "fatal: Authentication failed for 'https://host.example/team/lib.git/'",
            "git@host.example: Permission denied (publickey).",
            "fatal: repository 'https://host.example/team/lib.git/' not found",
        ),
        rank=81,
        follows=("net-dns", "net-proxy", "net-tls-cert", "net-refused", "net-timeout"),
    ),
    Rule(
        name="git-ref",
        code="source-unreachable",
        reads="git, uv and Poetry: a branch, tag or commit that the repository does not have",
        needs=(
            "pathspec",
            "remote ref",
            "remote branch",
            "not a tree",
            "not our ref",
            "branch, tag, or commit",
            "failed to find branch",
            "unknown revision or path",
            "could not parse object",
        ),
        pattern=r"pathspec '(?P<ref>[^']+)' did not match any|couldn't find remote ref (?P<ref__remote>\S+)|Remote branch (?P<ref__branch>\S+) not found in upstream|reference is not a tree|not our ref|failed to find branch, tag, or commit `(?P<ref__uv>[^`]+)`|unknown revision or path|Could not parse object '(?P<ref__object>[^']+)'",
        examples=(
            "error: pathspec 'v9.9' did not match any file(s) known to git",
            "fatal: couldn't find remote ref v9.9",
            "fatal: Remote branch v9.9 not found in upstream origin",
            "  Caused by: failed to find branch, tag, or commit `v9.9`",
        ),
        rank=81,
        follows=("network",),
    ),
    Rule(
        name="git-cut",
        code="net-reset",
        reads="git: a transfer that broke off",
        needs=("rpc failed", "early eof", "remote end hung up", "unexpected disconnect", "index-pack failed"),
        pattern=r"RPC failed; |fatal: early EOF|remote end hung up unexpectedly|fetch-pack: unexpected disconnect|index-pack failed",
        examples=(
            "error: RPC failed; curl 92 HTTP/2 stream 0 was not closed cleanly: CANCEL (err 8)",
            "fatal: the remote end hung up unexpectedly",
        ),
        rank=68,
        follows=("network", "disk-full", "disk-quota", "oom-killed"),
    ),
    Rule(
        name="git-missing",
        code="sdist-build-failed",
        reads="pip, uv, Poetry: a requirement from a repository, and no git on the machine",
        needs=(
            "find command 'git'",
            "git executable not found",
            "git: command not found",
            "git: not found",
            "named 'git'",
            "directory: 'git'",
        ),
        pattern=r"find command 'git'|[Gg]it executable not found|(?:^|: )(?P<program>git): (?:command )?not found|No such file or directory: '(?P<program__python>git)'",
        examples=(
            "ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?",
            "error: Git executable not found. Ensure that Git is installed and available.",
        ),
        rank=66,
    ),
    Rule(
        name="git-failed",
        code="source-unreachable",
        reads="pip, uv and Poetry: the words around an error of git, when its own were cut off",
        needs=(
            "failed to clone http",
            "git clone",
            "git fetch",
            "git operation failed",
            "failed to clone into",
            "git checkout",
        ),
        pattern=r"git (?:clone|fetch|checkout)\b.{0,300}(?:did not run successfully|failed with error code|exit status: \d|returned non-zero)|Git operation failed|[Ff]ailed to clone (?:into|https?:)",
        examples=(
            "× git clone --filter=blob:none --quiet https://host.example/lib.git /tmp/x did not run successfully.",
            "  Caused by: Git operation failed",
        ),
        rank=43,
        follows=("network", "machine", "sdist-build-failed"),
    ),
)
