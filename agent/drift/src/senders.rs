//! Which senders an event comes from, and whether it is all that they send: a rollout by instance.

use serde::{Deserialize, Serialize};

/// Senders told apart; with more, each sends too little to tell anything.
const SENDERS: usize = 64;
/// Trials, on average, of a sender of whom something is said.
const ENOUGH: u64 = 8;

/// What one sender sent.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sent {
    sender: u64,
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
    pub(crate) fn tried(&mut self, now: u64, sender: u64, is_event: bool) {
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

    #[test]
    fn parted_senders() {
        let check = |name: &str, expected: bool, event: fn(u64) -> bool| {
            let (mut senders, mut events) = (Senders::default(), 0);
            for trial in 1..=100 {
                events += u64::from(event(trial));
                senders.tried(trial, trial % 4, event(trial));
                senders.tried(trial, trial % 4, false); // no new trial: does not count
            }
            assert_eq!(senders.are_parted(events), expected, "{name}");
        };
        check("one of four", true, |trial| trial.is_multiple_of(4));
        check("two of four", true, |trial| trial.is_multiple_of(2));
        check("half of all, whoever sends", false, |trial| trial % 8 < 4);
        check("every one", false, |_| true);
        check("none", false, |_| false);
        let mut many = Senders::default();
        (1..=1_000).for_each(|trial| many.tried(trial, trial, trial % 2 == 0));
        assert!(!many.are_parted(500), "each sends once");
    }
}
