//! Currencies: one that took the place of another.

use std::sync::LazyLock;

use pitot_observe::hash::text64;
use pitot_observe::value::Text;

use super::share;

/// ISO 4217, list one, as of 2025: the currencies in use, without funds, metals and test codes.
const CODES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
    CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG \
    HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD \
    MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF \
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS \
    VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";
/// Codes that are English words in small letters, and so say nothing there.
const WORDS: [&str; 6] = ["all", "gel", "mop", "pen", "top", "try"];

/// Hashes of the codes in capital and in small letters, sorted.
static HASHES: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let small = CODES.split_whitespace().map(str::to_ascii_lowercase);
    let small = small.filter(|code| !WORDS.contains(&code.as_str()));
    let mut hashes: Vec<u64> = CODES
        .split_whitespace()
        .map(str::to_owned)
        .chain(small)
        .map(|code| text64(code.as_bytes()))
        .collect();
    hashes.sort_unstable();
    hashes
});

/// Share of values that must be codes of currencies.
const NEARLY_ALL: f64 = 0.98;
/// Share of values that the currency that went must have had.
const DOMINATING: f64 = 0.3;
/// Part of its share that may be left, and part of what it lost that the one in its place must have got.
const LEFT: f64 = 0.2;
const GOT: f64 = 0.7;
/// A share below this is that of a currency that was not there.
const NONE: f64 = 0.02;

/// Whether the values are currencies, and the most frequent one before has gone and another one has come in its place. Not
/// where the two changed places: then they mean something else.
pub(super) fn is_replaced(past: &[Text], recent: &[Text]) -> bool {
    let is_code = |text: &Text| HASHES.binary_search(&text.hash).is_ok();
    if share(past, is_code) < NEARLY_ALL || share(recent, is_code) < NEARLY_ALL {
        return false;
    }
    let of = |values: &[Text], hash: u64| share(values, |text| text.hash == hash);
    let Some((old, _)) = super::mode(past, |a, b| a.hash.cmp(&b.hash)) else { return false };
    let Some((new, _)) = super::mode(recent, |a, b| a.hash.cmp(&b.hash)) else { return false };
    let (old, new) = (old.hash, new.hash);
    let (old_before, old_after) = (of(past, old), of(recent, old));
    let (new_before, new_after) = (of(past, new), of(recent, new));
    let has_gone = old_before >= DOMINATING && old_after <= LEFT * old_before;
    let has_come = new != old && new_after - new_before >= GOT * (old_before - old_after);
    let is_swap = new_before >= NONE && old_after >= 0.5 * new_before;
    has_gone && has_come && !is_swap
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many of each.
    fn texts(counts: &[(&str, usize)]) -> Vec<Text> {
        counts.iter().flat_map(|(code, count)| std::iter::repeat_n(Text::of(code), *count)).collect()
    }

    #[test]
    fn replacements() {
        let check = |past: &[(&str, usize)], recent: &[(&str, usize)], expected: bool| {
            assert_eq!(is_replaced(&texts(past), &texts(recent)), expected, "{past:?} {recent:?}");
        };
        check(&[("EUR", 100)], &[("USD", 40)], true);
        check(&[("eur", 100)], &[("usd", 40)], true);
        check(&[("EUR", 70), ("USD", 20), ("GBP", 10)], &[("USD", 36), ("GBP", 4)], true);
        check(&[("EUR", 70), ("USD", 20), ("GBP", 10)], &[("JPY", 28), ("USD", 8), ("GBP", 4)], true);
        // One more currency, the same ones, two that changed places, a field that holds no currencies.
        check(&[("EUR", 80), ("USD", 20)], &[("EUR", 30), ("USD", 8), ("JPY", 2)], false);
        check(&[("EUR", 80), ("USD", 20)], &[("EUR", 32), ("USD", 8)], false);
        check(&[("EUR", 80), ("USD", 10), ("GBP", 10)], &[("EUR", 4), ("USD", 32), ("GBP", 4)], false);
        check(&[("all", 100)], &[("top", 40)], false);
        check(&[("new", 100)], &[("old", 40)], false);
    }
}
