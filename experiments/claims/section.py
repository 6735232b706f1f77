"""The claims ledger: claims.tsv, and its table at the end of the report.

What the source documents teach is set beside what this run measured. Each verdict is computed from the rows of the
experiments by the rule that stands beside it (sources.py lists the claims, the other files hold the rules).
"""

import os

from claims import judge, sources
from lib import rows as tsv
from lib import text

ORDER = 10
COLUMNS = ("claim", "source", "korean", "english", "claimed", "measured", "verdict", "rule")

def judged(results):
    """[(Claim, Outcome)] of all claims, in order."""
    run = judge.Run(results)
    return [(claim, claim.judge(run) or judge.Outcome("", judge.UNMEASURED)) for claim in sources.CLAIMS]


def counts(ledger):
    """How many hold, hold only when something is so, do not hold, were not measured."""
    verdicts = [outcome.verdict for _, outcome in ledger]
    hold, fail, unmeasured = (verdicts.count(verdict) for verdict in (judge.HOLDS, judge.FAILS,
                                                                      judge.UNMEASURED))
    return hold, len(verdicts) - hold - fail - unmeasured, fail, unmeasured


def summary(ledger):
    hold, sometimes, fail, unmeasured = counts(ledger)
    return f"of {len(ledger)} claims of the sources, {hold} hold, {sometimes} hold only under a condition, " \
           f"{fail} do not hold, and {unmeasured} were not measured in this run"


def write_table(ledger, out):
    lines = ["\t".join(COLUMNS)]
    for claim, outcome in ledger:
        lines.append("\t".join(tsv.cell_text(cell) for cell in (
            claim.number, claim.source, claim.korean, claim.english, claim.claimed, outcome.measured,
            outcome.verdict, claim.rule)))
    tsv.write_whole(os.path.join(out, "claims.tsv"), "\n".join(lines) + "\n")


def line(claim, outcome):
    kind = "-".join(outcome.verdict.split()[:3 if outcome.verdict != judge.UNMEASURED else 2])
    return f"""<tr id="claim-{claim.number}"><th scope="row">{claim.number}</th>
<td>{text.escape(claim.english)} <span lang="ko">{text.escape(claim.korean)}</span>
<span class="source">{text.escape(claim.source)}</span></td>
<td>{text.escape(claim.claimed)}</td>
<td>{text.escape(outcome.measured) or "-"}</td>
<td><span class="verdict {kind}">{text.escape(outcome.verdict)}</span>
<span class="rule">{text.escape(claim.rule)}</span></td></tr>"""


def section(results, out):
    ledger = judged(results)
    write_table(ledger, out)
    body = "\n".join(line(claim, outcome) for claim, outcome in ledger)
    return f"""<section id="claims" aria-labelledby="claims-title">
<h2 id="claims-title">Do the claims of the sources hold? <a class="name" href="#claims">claims</a></h2>
<p class="answer">{text.escape(text.sentence(summary(ledger)))}</p>
<p>The documents that this lab grew from teach with figures that were mostly printed by simulations. Here they stand
beside what this run measured. No verdict is typed in: each follows from the measured figures by the rule below it.</p>
<div class="wide"><table class="claims">
<caption>The claims ledger</caption>
<thead><tr><th scope="col">no.</th><th scope="col">claim and source</th><th scope="col">claimed</th>
<th scope="col">measured in this run</th><th scope="col">verdict, and its rule</th></tr></thead>
<tbody>
{body}
</tbody>
</table></div>
<p class="note">The same as a table of plain text: <a href="claims.tsv">claims.tsv</a>.</p>
</section>"""


def closing(results):
    """The last lines of the terminal's output."""
    return [f"claims: {text.sentence(summary(judged(results)))}"]
