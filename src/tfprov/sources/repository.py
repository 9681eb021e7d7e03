"""A commit of a git repository as a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfprov import process
from tfprov.ladder.builds import source_failure
from tfprov.lock.records import LockedSource

_SECONDS = 900.0
# Others start programs that the address names: `ext::`.
_PROTOCOLS = "https:http:ssh:git:file"


def check_out(source: LockedSource, target: Path, *, environ: Mapping[str, str]) -> Path:
    """The files of a commit, those of its submodules included.

    Args:
        source: with a repository.
        target: an empty folder.
        environ: variables of git: the ways to the network. Credentials are those that git is configured with.

    Returns:
        `target`.

    Raises:
        TfprovError: `source-unreachable`, `build-tool-missing` where there is no git.
    """
    env = {
        **environ,
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
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
    # With the tags on the way to it, from which some projects make their version. Not every server hands out a commit
    # that no branch or tag names; whoever fetches all that it has finds it there.
    if not git("fetch", "--quiet", "--force", "--", source.repository, wanted, may_fail=True):
        git("fetch", "--quiet", "--force", "--tags", "--", source.repository, "+refs/*:refs/all/*")
    git("-c", "advice.detachedHead=false", "checkout", "--quiet", source.commit)
    if (target / ".gitmodules").is_file():
        git("submodule", "--quiet", "update", "--init", "--recursive")
    return target
