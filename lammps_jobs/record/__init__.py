"""The durable truth of a run: documents, their keys, an object store that never overwrites. No LAMMPS, no AWS Batch."""
