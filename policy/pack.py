"""The rules as Pulumi policies."""

from __future__ import annotations

from pulumi_policy import Policy, ReportViolation, ResourceValidationArgs, ResourceValidationPolicy

from policy.rules import RULES, Rule


def policies() -> list[Policy]:
    """One resource policy per rule."""
    made: list[Policy] = []
    for name, rule in RULES.items():

        def validate(args: ResourceValidationArgs, report: ReportViolation, rule: Rule = rule) -> None:
            for text in rule(args.resource_type, dict(args.props)):
                report(text, None)

        made.append(ResourceValidationPolicy(name, description=(rule.__doc__ or "").strip(), validate=validate))
    return made
