//! Which senders an event comes from, and whether it is all that they send: a rollout by instance.

use serde::{Deserialize, Serialize};

/// Senders told apart; with more, each sends too little to tell anything.
const SENDERS: usize = 64;
/// Trials, on average, of a sender of whom something is said.
const ENOUGH: u64 = 8;

/// Who sent a message: a connection, or without one an instance; and the instance, or 0 where that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sender {
    pub(crate) conn: u64,
    pub(crate) instance: u64,
}

/// What one sender sent.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sent {
    sender: Sender,
    trials: u64,
    events: u64,
}

/// Trials and events since a question was raised, by sender.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Senders {
    known: Vec<Sent>,
    /// Trials of all.
    trials: u64,
    is_full: bool,
}

impl Senders {
    /// A message of `sender` came. There were `now` trials by then: where there were more than before, it was one, with
    /// the event or without.
    pub(crate) fn tried(&mut self, now: u64, sender: Sender, is_event: bool) {
        if std::mem::replace(&mut self.trials, now) >= now {
            return;
        }
        let at = self.known.iter().position(|sent| sent.sender == sender).unwrap_or(self.known.len());
        if at == self.known.len() {
            self.is_full |= at >= SENDERS;
            if self.is_full {
                return;
            }
            self.known.push(Sent { sender, ..Sent::default() });
        }
        if let Some(sent) = self.known.get_mut(at) {
            sent.trials += 1;
            sent.events += u64::from(is_event);
        }
    }

    /// Instances that had the event, and all, where they are known and several.
    pub(crate) fn instances(&self) -> Option<(u64, u64)> {
        let mut known: Vec<(u64, bool)> =
            self.known.iter().map(|sent| (sent.sender.instance, sent.events == 0)).collect();
        known.sort_unstable(); // Of each instance, the senders with events come first.
        known.dedup_by_key(|(instance, _)| *instance);
        let is_known = !self.is_full && known.len() > 1 && known.iter().all(|(instance, _)| *instance != 0);
        let with = known.iter().filter(|(_, is_without)| !is_without).count();
        is_known.then_some((with as u64, known.len() as u64))
    }

    /// Whether some senders had the event in each trial, all `events` of them, and the others in none.
    pub(crate) fn are_parted(&self, events: u64) -> bool {
        let (with, without): (Vec<Sent>, Vec<Sent>) = self.known.iter().partition(|sent| sent.events > 0);
        let enough = |part: &[Sent]| {
            let trials: u64 = part.iter().map(|sent| sent.trials).sum();
            !part.is_empty() && trials >= ENOUGH * part.len() as u64
        };
        let is_all = with.iter().all(|sent| sent.events == sent.trials);
        let known: u64 = with.iter().map(|sent| sent.events).sum();
        !self.is_full && is_all && known == events && enough(&with) && enough(&without)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(conn: u64) -> Sender {
        Sender { conn, instance: conn }
    }

    #[test]
    fn instances_with_the_event() {
        let check = |name: &str, expected: Option<(u64, u64)>, sender: fn(u64) -> Sender| {
            let mut senders = Senders::default();
            (1..=100).for_each(|trial| senders.tried(trial, sender(1 + trial % 6), trial % 6 == 1));
            assert_eq!(senders.instances(), expected, "{name}");
        };
        check("each on its connection", Some((1, 6)), of);
        check("each on two", Some((1, 3)), |conn| Sender { conn, instance: conn.div_ceil(2) });
        check("one", None, |conn| Sender { conn, instance: 1 });
        check("not known", None, |conn| Sender { conn, instance: 0 });
        check("some not known", None, |conn| Sender { conn, instance: conn / 2 });
    }

    #[test]
    fn parted_senders() {
        let check = |name: &str, expected: bool, event: fn(u64) -> bool| {
            let (mut senders, mut events) = (Senders::default(), 0);
            for trial in 1..=100 {
                events += u64::from(event(trial));
                senders.tried(trial, of(trial % 4), event(trial));
                senders.tried(trial, of(trial % 4), false); // no new trial: does not count
            }
            assert_eq!(senders.are_parted(events), expected, "{name}");
        };
        check("one of four", true, |trial| trial.is_multiple_of(4));
        check("two of four", true, |trial| trial.is_multiple_of(2));
        check("half of all, whoever sends", false, |trial| trial % 8 < 4);
        check("every one", false, |_| true);
        check("none", false, |_| false);
        let mut many = Senders::default();
        (1..=1_000).for_each(|trial| many.tried(trial, of(trial), trial % 2 == 0));
        assert!(!many.are_parted(500), "each sends once");
    }
}
