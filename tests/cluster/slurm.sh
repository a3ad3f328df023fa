#!/usr/bin/env bash
# A real Slurm on one machine, for tests: munge, a controller and some nodes that share the host.
#
#   slurm.sh start FOLDER [NODES] [CPUS]   all daemons, by hand: no systemd, no database, no cgroup
#   slurm.sh node FOLDER NAME              starts a node that was killed
#   slurm.sh stop FOLDER                   ends what FOLDER's process numbers name, and nothing else
#
# What a process started that is gone, such as a killed test, the next start ends.
#
# Runs as root. Configuration, key, state and logs stand in FOLDER. The executor plugin drops all
# SLURM_* variables from a job's environment, so that only the default place of the configuration
# reaches the commands inside jobs: it becomes a link into FOLDER while this runs.
set -euo pipefail

command=$1
folder=$(realpath -m "$2")
default=/etc/slurm/slurm.conf
host=$(hostname -s)

configure() {
    local nodes=$1 cpus=$2 port=16900
    cat <<END
ClusterName=pyramid
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/pid/slurmctld
SlurmdPidFile=$folder/pid/%n
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/%n
# What a container without cgroups can do.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=400
PropagateResourceLimits=NONE
# Jobs start, end and are missed within seconds.
SchedulerParameters=sched_interval=1,sched_min_interval=100000
SlurmdTimeout=10
KillWait=2
ReturnToService=2
# Without a database the controller's memory alone knows what became of a job.
AccountingStorageType=accounting_storage/none
MinJobAge=300
END
    for number in $(seq "$nodes"); do
        echo "NodeName=n$number NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + number))" \
            "CPUs=$cpus RealMemory=2000"
    done
    echo "PartitionName=main Nodes=ALL Default=YES MaxTime=UNLIMITED State=UP"
}

wait_for() {
    for _ in $(seq 100); do
        if "$@"; then return; fi
        sleep 0.1
    done
    echo "slurm.sh: in vain: $*; see $folder/log" >&2
    exit 1
}

# Nobody may have asked yet what became of it.
has_ended() { ! grep -qs '^State:[[:space:]]*[^XZ]' "/proc/$1/status"; }

all_idle() { [ "$(sinfo -h -N -t idle 2>/dev/null | wc -l)" = "$1" ]; }

start() {
    local nodes=${1:-2} cpus=${2:-1}
    local other
    other=$(dirname "$(readlink "$default")")
    if [ -e "$default" ] && [ "$other" != "$folder" ]; then
        if [ -s "$other/owner" ] && ! kill -0 "$(cat "$other/owner")" 2>/dev/null; then
            "$0" stop "$other"
        else
            echo "slurm.sh: $default belongs to another Slurm; remove it if that is none" >&2
            exit 1
        fi
    fi
    mkdir -p "$folder"/{munge,state,spool,pid,log} /etc/slurm
    echo "$PPID" >"$folder/owner"
    # munge wants nobody else to be able to write above its socket.
    chmod 755 "$folder" "$folder/munge"
    (umask 377 && head -c 1024 /dev/urandom >"$folder/munge/key")
    munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/pid/munged" --log-file="$folder/log/munged" \
        --seed-file="$folder/munge/seed"
    configure "$nodes" "$cpus" >"$folder/slurm.conf"
    ln -sfn "$folder/slurm.conf" "$default"
    slurmctld
    for number in $(seq "$nodes"); do slurmd -N "n$number"; done
    wait_for all_idle "$nodes"
}

stop() {
    for file in "$folder"/pid/n* "$folder"/pid/slurmctld "$folder"/pid/munged; do
        # A number may have been given to another process since.
        if [ -s "$file" ] && read -r pid <"$file" &&
            grep -qE '^(slurmd|slurmctld|munged)$' "/proc/$pid/comm" 2>/dev/null; then
            kill "$pid"
            wait_for has_ended "$pid"
        fi
        rm -f "$file"
    done
    if [ "$(readlink "$default")" = "$folder/slurm.conf" ]; then rm "$default"; fi
}

case $command in
    start) start "${3:-2}" "${4:-1}" ;;
    node) slurmd -N "$3" ;;
    stop) stop ;;
    *) sed -n '2,6p' "$0" >&2 && exit 2 ;;
esac
