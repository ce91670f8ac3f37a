"""Checks an evidence bundle, or a folder of the same shape, with the command
line of aics-tlog. See the README beside this folder."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import zipfile

from aics_tlog import cli


class Refused(Exception):
    pass


def run(*arguments):
    """One call of the command line; its JSON answer, or its refusal."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = cli.main([str(argument) for argument in arguments])
    answer = json.loads(printed.getvalue())
    if code != 0 or answer.get("ok") is not True:
        raise Refused(f"{arguments[0]}: {answer.get('error', code)}")
    return answer


def check(folder, vkey):
    origin = vkey.read_text(encoding="utf-8").split("+")[0]
    signed = folder / "checkpoint"

    def opened(note):
        return run("verify-checkpoint", "--note", note, "--vkey-file", vkey, "--origin", origin)

    tree = opened(signed)
    events = sorted((folder / "events").glob("*.json"), key=lambda event: int(event.stem))
    if not events:
        raise Refused("there is no event to check")
    hashes = folder / "hashes.tmp"
    for event in events:
        proof = (folder / "proofs" / f"{event.stem}.tlog-proof").read_text(encoding="utf-8")
        head, found, checkpoint = proof.partition("\n\n")
        first, index, *path = head.split("\n")
        if (found, checkpoint) != ("\n\n", signed.read_text(encoding="utf-8")):
            raise Refused(f"{event.name}: the proof does not carry the checkpoint of the bundle")
        if (first, index) != ("c2sp.org/tlog-proof@v1", f"index {event.stem}"):
            raise Refused(f"{event.name}: not a proof of this event")
        hashes.write_text("".join(f"{line}\n" for line in path), encoding="utf-8")
        run("verify-inclusion", "--leaf", event, "--index", event.stem, "--checkpoint", signed,
            "--vkey-file", vkey, "--proof", hashes)

    old = folder / "old.checkpoint"
    if old.exists():
        before = opened(old)
        run("verify-consistency", "--old-size", before["size"], "--new-size", tree["size"],
            "--old-root", before["root"], "--new-root", tree["root"], "--proof", folder / "consistency")
    print(f"{len(events)} events in a log of {tree['size']}")


def main():
    if len(sys.argv) != 3:
        print("usage: verify-aics EVIDENCE VKEY_FILE", file=sys.stderr)
        return 2
    evidence, vkey = map(pathlib.Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        try:
            if evidence.is_dir():
                for file in evidence.rglob("*"):
                    if file.is_file():
                        copy = folder / file.relative_to(evidence)
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        copy.write_bytes(file.read_bytes())
            else:
                with zipfile.ZipFile(evidence) as archive:
                    archive.extractall(folder)
            check(folder, vkey)
        except (Refused, OSError, ValueError, zipfile.BadZipFile) as refusal:
            print(f"refused: {refusal}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
