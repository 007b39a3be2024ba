"""Rules that no deployment may break, as a Pulumi policy pack: `pulumi preview --policy-pack policy`."""
