#!/bin/sh
# Users and policies of the cluster, once, on any node. Passwords come from standard input, a line each: NAME PASSWORD.
#   ./set-up.sh < passwords
set -eu
# rabbitmqctl reads standard input whether it needs it or not; what is a password's must not go there.
ctl() { ${RABBITMQCTL:-rabbitmqctl} --quiet "$@" < /dev/null; }
# Queues of sessions that the broker keeps are on all nodes; a publisher is told that a message is safe once all have it.
ctl set_policy mqtt '^mqtt-subscription-.*' '{"ha-mode":"all","ha-sync-mode":"automatic"}' --apply-to queues
ctl delete_user guest || true
# A session is a queue of the client's; which topics it may carry, topic permissions say.
own='^(mqtt-subscription-.*|amq\.topic)$'
while read -r name password; do
    printf '%s\n' "$password" | ${RABBITMQCTL:-rabbitmqctl} --quiet add_user "$name"
    ctl set_permissions "$name" "$own" "$own" "$own"
    case $name in
        collector*) ctl set_topic_permissions "$name" amq.topic '^$' '^ecg\.v1\..*' ;;
        # {username} is the device's id: it writes below its own, and reads what is asked of it.
        *) ctl set_topic_permissions "$name" amq.topic '^ecg\.v1\.{username}\..*' '^ecg\.v1\.{username}\.(status|command)$' ;;
    esac
done
