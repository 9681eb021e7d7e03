"""Checks out a commit of a git repository into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfprov import process
from tfprov.ladder.builds import source_failure
from tfprov.lock.records import LockedSource

_SECONDS = 900.0
# Set by git for its hooks (`git rev-parse --local-env-vars`): they name the repository that the hook is about.
_OF_A_HOOK = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"})
_OF_A_HOOK |= {"GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX"}
_OF_A_HOOK |= {"GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE"}
# Other protocols start programs named in the address, such as `ext::`.
_PROTOCOLS = "https:http:ssh:git"


def check_out(source: LockedSource, target: Path, *, environ: Mapping[str, str]) -> Path:
    """Check out a commit, including its submodules.

    Args:
        source: a source with a repository.
        target: an empty folder.
        environ: variables of git: proxies, certificates. Credentials are those that git is configured with.

    Returns:
        `target`.

    Raises:
        TfprovError: `source-unreachable`; `build-tool-missing` if git is not installed.
    """
    is_local = source.repository.startswith(("file:", "/", "."))
    env = {
        **{name: value for name, value in environ.items() if name not in _OF_A_HOOK},
        # A submodule of a repository elsewhere could otherwise be any repository of this machine.
        "GIT_ALLOW_PROTOCOL": f"{_PROTOCOLS}:file" if is_local else _PROTOCOLS,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }

    def git(*arguments: str, may_fail: bool = False) -> bool:
        try:
            answer = process.run(["git", *arguments], env=env, cwd=target, timeout=_SECONDS)
        except FileNotFoundError as error:
            raise source_failure(source.repository, "Git executable not found") from error
        if not answer.ok and not may_fail:
            said = "timed out" if answer.timed_out else answer.stderr + answer.stdout
            raise source_failure(source.repository, said)
        return answer.ok

    git("init", "--quiet")
    wanted = f"+{source.commit}:refs/commit/wanted"
    # Fetches the tags that lead to the commit, too: some projects derive their version from them. Not every server
    # hands out a commit that no branch or tag names; in that case everything is fetched, and the commit found there.
    if not git("fetch", "--quiet", "--force", "--", source.repository, wanted, may_fail=True):
        git("fetch", "--quiet", "--force", "--tags", "--", source.repository, "+refs/*:refs/all/*")
    git("-c", "advice.detachedHead=false", "checkout", "--quiet", source.commit)
    if (target / ".gitmodules").is_file():
        git("submodule", "--quiet", "update", "--init", "--recursive")
    return target
