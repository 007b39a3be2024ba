"""Runs as AWS Batch jobs of a stack. The only room that knows boto3; `contract` is what the stack shares."""
