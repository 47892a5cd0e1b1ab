"""All benchmarks in one report: those of `edge-app bench all`, then decode, transport and peers."""
from edge_app.commands.bench import report_command
from edge_app.testing.bench import report

from tests.bench import decode, run, transport
from tests.bench.peers import measure as peers


def parts(settings, share=1.0, times=5):
    """Every report.ReportPart, in the order they run."""
    return report.parts(settings, share, times) + [
        decode.part(share), transport.part(share, times), peers.part(settings, share, times)]


if __name__ == '__main__':
    run(report_command('bench', parts))
