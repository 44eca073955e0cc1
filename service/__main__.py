"""``python -m service``: serve predictions, keep API keys, prove the audit store."""

import gc
import os
import sys

# Two BLAS threads make matrices of a dozen columns many times slower; read when numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main() -> None:
    """Run the command that is named; to serve, load nothing of the others."""
    if sys.argv[1:] == ["serve"]:
        gc.disable()  # until all is loaded: a sixth of the time to start is looking for garbage
        # structlog would load it, for colours on a console: another sixteenth.
        sys.modules["rich"] = None  # type: ignore[assignment]  # the way to say: it is not there
        from service.serving import serve

        try:
            serve()
        except KeyboardInterrupt:  # it ended in order: a traceback would tell of a failure
            sys.exit(130)
    else:
        from service.commands import app

        app()


if __name__ == "__main__":
    main()
