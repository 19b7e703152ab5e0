//! Bodies made from a seed, like those of well-known services.

use crate::corpus::Corpus;

/// Different bodies of each kind.
const BODIES: u64 = 512;

pub(crate) fn all() -> Vec<Corpus> {
    vec![
        orders(),
        Corpus::new("webhooks", (0..BODIES / 4).map(webhook)),
        Corpus::new("tweets", (0..BODIES / 16).map(tweets)),
        Corpus::new("tickets", (0..BODIES / 16).map(tickets)),
    ]
}

/// Orders of 30 leaves and about 1.1 KB, each different.
pub(crate) fn orders() -> Corpus {
    Corpus::new("orders", (0..BODIES).map(order))
}

/// Readings of an instrument: eight leaves, about 150 bytes.
pub(crate) fn readings() -> Corpus {
    let reading = |seed: u64| {
        let r = &mut Random(seed << 32 | 3);
        format!(
            r#"{{"device":"dev-{:04}","at":"{}","state":"{}","seq":{},"t":{}.{},"rh":{},"ok":{},"unit":"C"}}"#,
            r.below(500),
            r.time(),
            ["on", "off", "idle"][r.below(3) as usize],
            seed,
            r.below(40),
            r.below(10),
            r.below(100),
            !r.one_in(50)
        )
    };
    Corpus::new("readings", (0..BODIES).map(reading))
}

/// Bodies of 32 members of one kind of values.
pub(crate) fn members(kind: &'static str) -> Corpus {
    let value = |r: &mut Random| match kind {
        "numbers" => format!("{}.{:02}", r.below(90_000), r.below(100)),
        "codes" => format!(r#""{}""#, ["open", "paid", "shipped", "closed"][r.below(4) as usize]),
        _ => format!(r#""{}""#, r.words(3)),
    };
    let body = |seed: u64| {
        let r = &mut Random(seed << 32 | 4);
        let members: Vec<String> = (0..32)
            .map(|place| {
                format!(
                    r#""member_{}":{}"#,
                    char::from(b'a' + place as u8 % 26).to_string().repeat(1 + place / 26),
                    value(r)
                )
            })
            .collect();
        format!("{{{}}}", members.join(","))
    };
    Corpus::new(kind, (0..BODIES).map(body))
}

/// Numbers that look random, from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        pitot_observe::hash::mix(self.0) % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn word(&mut self) -> String {
        let length = 3 + self.below(7);
        (0..length).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    fn words(&mut self, count: u64) -> String {
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn time(&mut self) -> String {
        format!(
            "2026-11-{:02}T{:02}:{:02}:{:02}Z",
            1 + self.below(30),
            self.below(24),
            self.below(60),
            self.below(60)
        )
    }

    /// A JSON array.
    fn list(&mut self, count: u64, mut one: impl FnMut(&mut Self) -> String) -> String {
        let items: Vec<String> = (0..count).map(|_| one(self)).collect();
        format!("[{}]", items.join(","))
    }

    /// `one`, or null every `n` times.
    fn or_null(&mut self, n: u64, one: impl FnOnce(&mut Self) -> String) -> String {
        if self.one_in(n) { "null".to_owned() } else { one(self) }
    }
}

fn order(i: u64) -> String {
    let filler = |n: usize| {
        "abcdefghijklmnopqrstuvwxyz".chars().cycle().skip(i as usize % 26).take(n).collect::<String>()
    };
    let address = |street: usize| {
        format!(
            r#"{{"name":"{}","street":"{}","city":"{}","zip":"{:05}","country":"DE","tax_id":null}}"#,
            filler(18),
            filler(street),
            filler(16),
            i * 97 % 100_000
        )
    };
    format!(
        concat!(
            r#"{{"id":"ord_{:016}","created":"2026-11-22T15:{:02}:05.123Z","amount_minor":{},"currency":"EUR","#,
            r#""customer":{{"id":"cus_{:012}","name":"{}","email":"{}@example.org","country":"DE","vip":{},"score":0.{}}},"#,
            r#""billing":{},"shipping":{},"status":"open","channel":"{}","note":"{}","#,
            r#""metadata":{{"source":"{}","medium":"mail","session":"{}","agent":"{}"}},"total":{}.{:02},"tax":{}.5}}"#
        ),
        i,
        i % 60,
        i * 37,
        i * 31,
        filler(20),
        filler(9),
        i.is_multiple_of(7),
        i % 9 + 1,
        address(28),
        address(40),
        filler(24),
        filler(200),
        filler(22),
        filler(40),
        filler(90),
        i * 3,
        i % 100,
        i
    )
}

/// Like a webhook of a code host about an issue: many addresses, members that are often null, lists of labels.
fn webhook(seed: u64) -> String {
    let r = &mut Random(seed << 32);
    let action = ["opened", "closed", "labeled", "edited"][r.below(4) as usize];
    let repository = format!("{}/{}", r.word(), r.word());
    let number = r.below(9_000);
    let issue_url = format!("https://api.example.org/repos/{repository}/issues/{number}");
    let links = |url: &str, names: &[&str]| {
        names.iter().map(|name| format!(r#""{name}_url":"{url}/{name}{{/id}}","#)).collect::<String>()
    };
    let milestone = r.or_null(3, |r| {
        format!(
            r#"{{"id":{},"title":"{}","state":"open","due_on":null,"creator":{}}}"#,
            r.below(1 << 31),
            r.words(2),
            user(r)
        )
    });
    format!(
        concat!(
            r#"{{"action":"{}","issue":{{{}"url":"{}","id":{},"number":{},"title":"{}","user":{},"labels":{},"state":"open","#,
            r#""locked":false,"assignee":{},"assignees":{},"milestone":{},"comments":{},"created_at":"{}","updated_at":"{}","#,
            r#""closed_at":{},"author_association":"MEMBER","body":{},"reactions":{{"total_count":{},"+1":{},"-1":0,"heart":0}}}},"#,
            r#""repository":{{{}"id":{},"full_name":"{}","private":false,"owner":{},"description":"{}","fork":{},"size":{},"#,
            r#""language":{},"license":{},"topics":{},"default_branch":"main","pushed_at":"{}"}},"sender":{}}}"#
        ),
        action,
        links(&issue_url, &["labels", "comments", "events", "html"]),
        issue_url,
        r.below(1 << 31),
        number,
        r.words(7),
        user(r),
        {
            let labels = r.below(5);
            r.list(labels, |r| {
                format!(
                    r#"{{"id":{},"name":"{}","color":"d73a4a","default":false,"description":null}}"#,
                    r.below(1 << 31),
                    r.word()
                )
            })
        },
        r.or_null(2, user),
        {
            let assignees = r.below(3);
            r.list(assignees, user)
        },
        milestone,
        r.below(40),
        r.time(),
        r.time(),
        r.or_null(2, |r| format!(r#""{}""#, r.time())),
        r.or_null(9, |r| format!(r#""{}\r\n\r\n- [ ] \"{}\"\r\n{}""#, r.words(40), r.words(3), r.words(30))),
        r.below(9),
        r.below(9),
        links(
            &format!("https://api.example.org/repos/{repository}"),
            &[
                "keys",
                "teams",
                "hooks",
                "events",
                "branches",
                "tags",
                "blobs",
                "trees",
                "statuses",
                "languages",
                "stargazers",
                "contributors",
                "commits",
                "comments",
                "contents",
                "merges",
                "archive",
                "downloads",
                "issues",
                "pulls",
                "milestones",
                "labels",
                "releases",
                "deployments",
                "clone",
                "ssh",
                "svn",
            ]
        ),
        r.below(1 << 31),
        repository,
        user(r),
        r.words(9),
        r.one_in(4),
        r.below(100_000),
        r.or_null(4, |_| r#""Rust""#.to_owned()),
        r.or_null(3, |_| r#"{"key":"mit","name":"MIT License","spdx_id":"MIT"}"#.to_owned()),
        {
            let topics = r.below(6);
            r.list(topics, |r| format!(r#""{}""#, r.word()))
        },
        r.time(),
        user(r)
    )
}

fn user(r: &mut Random) -> String {
    let login = r.word();
    let url = format!("https://api.example.org/users/{login}");
    format!(
        concat!(
            r#"{{"login":"{}","id":{},"avatar_url":"{}/avatar?v=4","url":"{}","html_url":"{}","followers_url":"{}/followers","#,
            r#""gists_url":"{}/gists","repos_url":"{}/repos","events_url":"{}/events","type":"User","site_admin":false}}"#
        ),
        login,
        r.below(1 << 31),
        url,
        url,
        url,
        url,
        url,
        url,
        url
    )
}

/// Like a search for short posts: a list of objects with optional and null members, and text beyond ASCII.
fn tweets(seed: u64) -> String {
    let r = &mut Random(seed << 32 | 1);
    let count = 8 + r.below(8);
    let statuses = r.list(count, |r| {
        let shared = if r.one_in(3) { format!(r#""retweeted_status":{},"#, tweet(r)) } else { String::new() };
        let text = tweet(r);
        format!("{{{shared}{}", text.get(1..).unwrap_or_default())
    });
    format!(
        r#"{{"statuses":{statuses},"search_metadata":{{"completed_in":0.{:03},"max_id":{},"query":"{}","count":{count},"since_id":0}}}}"#,
        r.below(1_000),
        r.below(1 << 60),
        r.word()
    )
}

fn tweet(r: &mut Random) -> String {
    let mentions = r.below(3);
    let tags = r.below(3);
    format!(
        concat!(
            r#"{{"created_at":"Sun Nov 22 {:02}:{:02}:05 +0000 2026","id":{},"id_str":"{}","text":"@{} 名前:{} \u00e4\n{}","#,
            r#""truncated":false,"in_reply_to_status_id":{},"user":{{"id":{},"name":"{}","location":"","description":"{} 🐦","#,
            r#""url":null,"protected":false,"followers_count":{},"friends_count":{},"verified":false,"utc_offset":{},"#,
            r#""profile_background_color":"C0DEED","profile_use_background_image":true,"following":false}},"geo":null,"#,
            r#""coordinates":{},"retweet_count":{},"favorite_count":{},"entities":{{"hashtags":{},"symbols":[],"urls":[],"#,
            r#""user_mentions":{}}},"favorited":false,"lang":"ja"}}"#
        ),
        r.below(24),
        r.below(60),
        r.below(1 << 60),
        r.below(1 << 60),
        r.word(),
        r.word(),
        r.words(12),
        r.or_null(2, |r| r.below(1 << 60).to_string()),
        r.below(1 << 31),
        r.word(),
        r.words(14),
        r.below(10_000),
        r.below(2_000),
        r.or_null(2, |_| "32400".to_owned()),
        r.or_null(5, |r| format!(
            r#"{{"type":"Point","coordinates":[{}.25,-{}.5]}}"#,
            r.below(90),
            r.below(180)
        )),
        r.below(500),
        r.below(90),
        r.list(tags, |r| format!(
            r#"{{"text":"{}","indices":[{},{}]}}"#,
            r.word(),
            r.below(70),
            70 + r.below(70)
        )),
        r.list(mentions, |r| {
            format!(
                r#"{{"screen_name":"{}","name":"{}","id":{},"indices":[0,{}]}}"#,
                r.word(),
                r.words(2),
                r.below(1 << 31),
                r.below(20)
            )
        })
    )
}

/// Like the catalogue of a ticket shop: objects whose names are numbers, and many small numbers in nested lists.
fn tickets(seed: u64) -> String {
    let r = &mut Random(seed << 32 | 2);
    let map = |r: &mut Random, count: u64, one: fn(&mut Random) -> String| {
        let members: Vec<String> =
            (0..count).map(|_| format!(r#""{}":{}"#, 100_000_000 + r.below(400_000_000), one(r))).collect();
        format!("{{{}}}", members.join(","))
    };
    let name = |r: &mut Random| format!(r#""{}""#, r.words(3));
    let event = |r: &mut Random| {
        let topics = 1 + r.below(4);
        format!(
            r#"{{"description":null,"id":{},"logo":{},"name":"{}","subTopicIds":{},"subjectCode":null,"subtitle":null,"topicIds":[{},{}]}}"#,
            r.below(1 << 31),
            r.or_null(2, |r| format!(r#""/images/{}.png""#, r.word())),
            r.words(4),
            r.list(topics, |r| (337_184_262 + r.below(40)).to_string()),
            r.below(1 << 31),
            r.below(1 << 31)
        )
    };
    let performance = |r: &mut Random| {
        let (prices, categories) = (1 + r.below(5), 1 + r.below(4));
        let prices = r.list(prices, |r| {
            format!(
                r#"{{"amount":{},"audienceSubCategoryId":337100890,"seatCategoryId":{}}}"#,
                r.below(90) * 1_000,
                r.below(1 << 31)
            )
        });
        let categories = r.list(categories, |r| {
            let areas = 1 + r.below(8);
            let areas = r.list(areas, |r| format!(r#"{{"areaId":{},"blockIds":[]}}"#, r.below(1 << 31)));
            format!(r#"{{"areas":{areas},"seatCategoryId":{}}}"#, r.below(1 << 31))
        });
        format!(
            r#"{{"eventId":{},"id":{},"logo":null,"name":null,"prices":{prices},"seatCategories":{categories},"seatMapImage":null,"start":{},"venueCode":"PLEYEL"}}"#,
            r.below(1 << 31),
            r.below(1 << 31),
            1_372_701_600_000 + r.below(1 << 34)
        )
    };
    format!(
        r#"{{"areaNames":{},"audienceSubCategoryNames":{},"blockNames":{{}},"events":{},"performances":{}}}"#,
        map(r, 12, name),
        map(r, 1, name),
        map(r, 10, event),
        r.list(14, performance)
    )
}
