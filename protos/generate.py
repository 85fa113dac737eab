"""Turns `protos/portrait` into Python and checks it, offline: everything foreign comes out of installed wheels.

generate   rewrite protos/gen (the default)
drift      fail if protos/gen is not what the protos say
format     buf format, in place
lint       buf lint, and whether buf format would change anything
breaking   buf breaking against main
"""

import argparse
import filecmp
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import grpc_tools
import protovalidate
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
REPOSITORY = PROTOS.parent
GENERATED = PROTOS / "gen"
BINARIES = Path(sys.executable).parent
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
GOOGLE_APIS = WELL_KNOWN.parents[1]  # googleapis-common-protos lays its .proto files beside the packages
RULES = "buf/validate/validate.proto"
MAIN = ("origin/main", "main")


def main() -> int:
    """Run one command; the exit status says whether all is well."""
    commands: dict[str, Callable[[Path], int]] = {
        "generate": replace,
        "drift": drift,
        "format": lambda scratch: buf(scratch, "format", "--write", str(PROTOS)),
        "lint": lint,
        "breaking": breaking,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=commands, nargs="?", default="generate")
    command = commands[parser.parse_args().command]
    with tempfile.TemporaryDirectory(prefix="portrait-protos-") as scratch:
        return command(Path(scratch))


def replace(scratch: Path) -> int:
    """Put a fresh generation in the place of protos/gen; a proto that does not compile changes nothing."""
    fresh = scratch / "gen"
    if failed := generate(scratch, fresh):
        return failed
    shutil.rmtree(GENERATED, ignore_errors=True)
    shutil.copytree(fresh, GENERATED)
    return 0


def generate(scratch: Path, target: Path) -> int:
    """Write messages, stubs and their types for every proto into a new folder `target`."""
    target.mkdir()
    failed = run_protoc(
        scratch,
        PROTOS,
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--plugin=protoc-gen-mypy={BINARIES / 'protoc-gen-mypy'}",
        f"--mypy_out=quiet:{target}",
        f"--plugin=protoc-gen-mypy_grpc={BINARIES / 'protoc-gen-mypy_grpc'}",
        f"--mypy_grpc_out=quiet,only_async:{target}",
    )
    # Every generated module imports the rules' module, and the wheel has none for this protobuf runtime.
    failed = failed or run_protoc(scratch, PROTOS, f"--python_out={target}", files=[RULES])
    for folder in sorted({file.parent for file in target.rglob("*.py")}):
        for package in (folder, *folder.parents):
            if package == target:
                break
            (package / "__init__.py").touch()
    (target / "portrait" / "py.typed").touch()
    return failed


def drift(scratch: Path) -> int:
    """Compare protos/gen with a fresh generation, file by file."""
    fresh = scratch / "gen"
    if failed := generate(scratch, fresh):
        return failed
    here, there = generated_files(GENERATED), generated_files(fresh)
    same, differing, _ = filecmp.cmpfiles(GENERATED, fresh, here & there, shallow=False)
    stale = sorted(differing) + sorted(here ^ there)
    for name in stale:
        print(f"protos/gen/{name} is not what the protos say: run `make protos`", file=sys.stderr)
    print(f"protos/gen: {len(same)} files as generated, {len(stale)} not")
    return 1 if stale else 0


def lint(scratch: Path) -> int:
    """Ask buf for names, comments and layout."""
    formatted = buf(scratch, "format", "--diff", "--exit-code", str(PROTOS))
    return image(scratch, PROTOS, "now") or buf(scratch, "lint", "now.binpb") or formatted


def breaking(scratch: Path) -> int:
    """Ask buf whether a client built from main's protos would still be understood."""
    git("rev-parse", "--git-dir", check=True)
    main_branch = next((ref for ref in MAIN if git("cat-file", "-e", f"{ref}:protos/portrait").returncode == 0), None)
    if main_branch is None:
        print("main holds no protos yet: nothing to break")
        return 0
    archive = git("archive", "--format=zip", main_branch, "protos/portrait", check=True).stdout
    zipfile.ZipFile(io.BytesIO(archive)).extractall(scratch / "main")
    return (
        image(scratch, PROTOS, "now")
        or image(scratch, scratch / "main" / "protos", "before")
        or buf(scratch, "breaking", "now.binpb", "--against", "before.binpb")
    )


def image(scratch: Path, root: Path, name: str) -> int:
    """Compile a tree of protos into `<scratch>/<name>.binpb`, imports and comments included, as buf reads it."""
    out = scratch / f"{name}.binpb"
    return run_protoc(scratch, root, f"--descriptor_set_out={out}", "--include_imports", "--include_source_info")


def run_protoc(scratch: Path, root: Path, *options: str, files: list[str] | None = None) -> int:
    """Run protoc over `files`, or over every proto under `root`."""
    rules = descriptor_pb2.FileDescriptorProto.FromString(protovalidate.ViolationPb.desc().file.proto.to_binary())
    foreign = scratch / "foreign.binpb"
    foreign.write_bytes(descriptor_pb2.FileDescriptorSet(file=[rules]).SerializeToString())
    includes = (root, WELL_KNOWN, GOOGLE_APIS)
    if files is None:
        files = sorted(str(file.relative_to(root)) for file in (root / "portrait").rglob("*.proto"))
    status: int = protoc.main(
        ["protoc", f"--descriptor_set_in={foreign}", *(f"-I{path}" for path in includes), *options, *files]
    )
    return status


def buf(scratch: Path, *arguments: str) -> int:
    """Run buf on files in `scratch`, keeping even its cache there."""
    command = [str(BINARIES / "buf"), *arguments, "--config", str(PROTOS / "buf.yaml")]
    return subprocess.run(
        command, cwd=scratch, env=os.environ | {"BUF_CACHE_DIR": str(scratch / "buf")}, check=False
    ).returncode


def git(*arguments: str, check: bool = False) -> subprocess.CompletedProcess[bytes]:
    """Ask git about this repository, whoever owns the folder."""
    command = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=None if check else subprocess.DEVNULL)


def generated_files(root: Path) -> set[str]:
    """Name the files that generation wrote, by path below `root`."""
    return {
        str(file.relative_to(root)) for file in root.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    }


if __name__ == "__main__":
    sys.exit(main())
