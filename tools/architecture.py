"""docs/architecture.md, its picture drawn from the graph that the program registers for prod.

`python -m tools.architecture > docs/architecture.md`
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from emulator.graph import Graph, config_of, run

WHAT = {
    "Network": "VPC without a way in; S3 by a gateway endpoint, so results cost no traffic",
    "Storage": "the bucket with every run's record: closed, encrypted, versioned, kept on destroy",
    "Logs": "what attempts print",
    "Images": "the image repository, and one image for each GPU architecture in use",
    "Identity": "one role per purpose; the policy that researchers get",
    "Batch": "for each pool machines that scale to zero, a queue (Spot first, on-demand after) and a job definition",
    "Observability": "dashboard, alarms, events of jobs and of Spot machines",
    "Cost": "budget with forecast, unusual spending",
    "Guard": "once an hour a function that closes the stack when a limit is spent",
    "Quotas": "vCPU quotas asked for where pools need more than the account has",
    "Outputs": "one SSM parameter: all that a research script needs to know",
}
OF_TYPE = {
    "Network": ("aws:ec2/", "aws:vpc/", "aws:ec2transitgateway/"), "Storage": ("aws:s3/", "aws:kms/"),
    "Images": ("aws:ecr/", "docker:"), "Identity": ("aws:iam/",), "Batch": ("aws:batch/", "aws:ec2/launchTemplate"),
    "Observability": ("aws:cloudwatch/", "aws:sns/"), "Cost": ("aws:budgets/", "aws:costexplorer/"),
    "Quotas": ("aws:servicequotas/",), "Outputs": ("aws:ssm/",),
}  # fmt: skip


def component_of(token: str, name: str) -> str:
    """The component that a resource belongs to, by its type (the mocks do not tell a resource's parent)."""
    if name in ("guard", "guard-failed", "limit"):
        return "Guard"
    if name == "flow":
        return "Network"
    if token.endswith(":LogGroup") and name == "jobs":
        return "Logs"
    found = [(len(start), part) for part, starts in OF_TYPE.items() for start in starts if token.startswith(start)]
    return max(found)[1]


def edges(graph: Graph) -> set[tuple[str, str]]:
    """(user, used) for each pair of components of which one's inputs name a resource of the other."""
    marks = {}
    for (token, name), inputs in graph.resources.items():
        if token.startswith(("aws:", "docker:")):
            part = component_of(token, name)
            marks[f"{token}.{name}"] = part
            kind, shown = token.rpartition(":")[2], inputs.get("name", name)
            marks[f":{kind}/{shown}"] = part
            if kind == "Bucket":
                marks[str(inputs["bucket"])] = part
            if kind == "LogGroup":
                marks[f'"{shown}"'] = marks[f"log-group:{shown}"] = part
            if kind == "Image":
                marks[str(inputs["imageName"]) + "@sha256"] = part
    found = set()
    for (token, name), inputs in graph.resources.items():
        if token.startswith(("aws:", "docker:")):
            text = json.dumps(inputs).replace('\\"', '"')
            user = component_of(token, name)
            found |= {(user, used) for mark, used in marks.items() if mark in text and used != user}
    return found


def _count(kinds: Counter[str]) -> str:
    return f"{kinds.total()} resource{'s' * (kinds.total() > 1)}"


def page() -> str:
    graph = run(config_of("prod"), "prod", graph=Graph(quotas={"L-7212CCBC": 0.0}))
    parts: dict[str, Counter[str]] = defaultdict(Counter)
    for token, name in graph.resources:
        if token.startswith(("aws:", "docker:")):
            parts[component_of(token, name)][token.rpartition(":")[2]] += 1
    lines = [
        "# Architecture",
        "",
        "What `pulumi up` makes, drawn from the graph that the program registers for `prod`",
        "(`python -m tools.architecture`). An arrow means: needs. The whole plans, as reviewed:",
        "[dev](previews/dev.txt), [prod](previews/prod.txt). What may be configured:",
        "[stack configuration](stack-config.md).",
        "",
        "```mermaid",
        "flowchart LR",
        "  researcher([research script]) --> Outputs",
        "  researcher -- submit, cancel --> Batch",
        "  researcher -- inputs, results --> Storage",
    ]
    for part in WHAT:
        if part in parts:
            pools = f"<br/>{' · '.join(sorted(graph.of('aws:batch/jobQueue:JobQueue')))}" if part == "Batch" else ""
            lines.append(f'  {part}["<b>{part}</b><br/>{_count(parts[part])}{pools}"]')
    lines += [f"  {user} --> {used}" for user, used in sorted(edges(graph))]
    lines += ["```", "", "| Component | What it is | Resources |", "|---|---|---|"]
    for part, what in WHAT.items():
        if part in parts:
            kinds = ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in sorted(parts[part].items()))
            lines.append(f"| {part} | {what} | {kinds} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page())
