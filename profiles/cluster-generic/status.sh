#!/bin/sh
# Says of a Slurm job: running, success or failed.
state=$(squeue --noheader --states=all --format=%T --jobs="$1" 2>&1) ||
    # The controller forgets a job after minutes; the accounts, where there are any, do not.
    state="$state $(sacct --allocations --noheader --format=State%20 --jobs="$1" 2>&1)"
case $state in
    *COMPLETED*) echo success ;;
    *FAIL* | *CANCELLED* | *TIMEOUT* | *DEADLINE* | *PREEMPTED* | *OUT_OF_MEM*) echo failed ;;
    *"Invalid job id"*) echo failed ;;
    # Waiting, at work, or a controller that does not answer: it has lost no job.
    *) echo running ;;
esac
