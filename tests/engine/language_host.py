"""A Python language host for Pulumi's engine: it runs programs and policy packs.

The engine starts `pulumi-language-python ENGINE` from PATH and reads the port of its gRPC service from the first line.
Pulumi's own host comes with Pulumi's distribution, not from a package registry; this one is made of the SDK's gRPC
stubs. It generates no code, installs nothing and attaches no debugger.
"""

import asyncio
import contextlib
import os
import runpy
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import grpc
import pulumi
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import LanguageRuntimeServicer, language_pb2, language_pb2_grpc, plugin_pb2

_SHOWN = 32
"""Exit status of a program whose error the engine's log already shows."""
_LARGEST_MESSAGE = 400 << 20


class Host(LanguageRuntimeServicer):
    """The gRPC service of the language host, which the engine calls; it runs each program in a separate process."""

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def Handshake(self, request: Any, context: Any) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=version("pulumi"))

    def Cancel(self, request: Any, context: Any) -> Empty:
        return Empty()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """Return no packages: providers are attached by PULUMI_DEBUG_PROVIDERS, or found on PATH."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:
        return language_pb2.GetRequiredPluginsResponse()

    def About(self, request: Any, context: Any) -> Any:
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        packages = [
            language_pb2.DependencyInfo(name=package.metadata["Name"], version=package.version)
            for package in distributions()
        ]
        return language_pb2.GetProgramDependenciesResponse(dependencies=packages)

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        return iter(())

    def Run(self, request: Any, context: Any) -> Any:
        program = Path(request.info.program_directory, request.info.entry_point)
        ended = subprocess.run(
            [sys.executable, "-u", __file__, "--run", self._engine, str(program)],
            input=json_format.MessageToJson(request),
            text=True,
            cwd=request.pwd or request.info.program_directory,
            check=False,
        )
        if ended.returncode == _SHOWN:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the program exited with {ended.returncode}" if ended.returncode else "")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        program = str(Path(request.info.program_directory, request.info.entry_point))
        analyzer = ["-m", "pulumi.policy", *request.args, program]
        command = analyzer if request.kind == "analyzer" else [program, *request.args]
        child = subprocess.Popen(
            [sys.executable, "-u", *command],
            cwd=request.pwd or None,
            env=os.environ | dict(entry.split("=", 1) for entry in request.env),
            stdout=subprocess.PIPE,
        )
        context.add_callback(child.terminate)
        assert child.stdout
        for line in child.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=child.wait())


def end_with_parent() -> None:
    """End this process soon after its parent has ended; an engine that is killed ends nobody itself."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(engine: str, program: str) -> int:
    """Run a Pulumi program as the request on standard input describes, and return its exit status."""
    request = json_format.Parse(sys.stdin.read(), language_pb2.RunRequest())
    reset_options(
        project=request.project,
        stack=request.stack,
        parallel=request.parallel,
        engine_address=engine,
        monitor_address=request.monitor_address,
        preview=request.dryRun,
        organization=request.organization or "organization",
    )
    set_all_config(dict(request.config), list(request.configSecretKeys))
    sys.path[0] = program if Path(program).is_dir() else str(Path(program).parent)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max(request.parallel, 1) * 4))
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run_in_stack(lambda: _start(program)))
    except pulumi.RunError as error:
        return _show(str(error))
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return 0  # the engine has ended, and knows why
        return _show(f"the engine refused: {error.details()}")
    except Exception:
        return _show("Program failed with an unhandled exception:\n" + traceback.format_exc())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
    return 0


def _start(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def _show(error: str) -> int:
    pulumi.log.error(error)
    return _SHOWN


def serve(engine: str) -> None:
    """Serve the language host for the engine at this address, until the engine ends this process."""
    server = grpc.server(ThreadPoolExecutor(), options=[("grpc.max_receive_message_length", _LARGEST_MESSAGE)])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.wait_for_termination()


def write_command(folder: Path) -> None:
    """Write the command `pulumi-language-python`, which starts this host, into a folder on the engine's PATH."""
    command = folder / "pulumi-language-python"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__)}" "$@"\n')
    command.chmod(0o755)


def main(arguments: Sequence[str]) -> int:
    end_with_parent()
    if arguments[0] == "--run":
        return run(arguments[1], arguments[2])
    serve(next(argument for argument in arguments if not argument.startswith("-")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
