//! Secrets in addresses and parameters, and how they are kept out of everything that is shown.
//!
//! - [`redact`] cleans an address that the user wrote.
//! - [`Secrets`] cleans what others say about it, GStreamer first of all.
//! - [`sounds_secret`] tells by its name whether a value is a secret.

/// What stands in a secret's place.
pub(crate) const HIDDEN: &str = "***";

/// Whether the value of `key` is to be hidden.
pub(crate) fn sounds_secret(key: &str) -> bool {
    const WITHIN: [&str; 9] = [
        "passw",
        "passphrase",
        "passcode",
        "pwd",
        "token",
        "secret",
        "auth",
        "credential",
        "signature",
    ];
    const AT_THE_END: [&str; 3] = ["pass", "pw", "key"];
    let key = decoded(key).to_lowercase();
    WITHIN.iter().any(|word| key.contains(word))
        || AT_THE_END.iter().any(|word| key.ends_with(word))
}

/// `text` with the secrets of the addresses in it hidden: of a login all but the user
/// (`user:password@`), a login of one word (`token@`), and the values of keys that sound like
/// secrets (`?password=...`, `/token=...`). What is no address stays as it is.
pub(crate) fn redact(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", without_secrets(rest)),
        None => text.to_owned(),
    }
}

/// What follows the scheme, and further addresses in that.
fn without_secrets(rest: &str) -> String {
    let Address { login, host, resource } = Address::of(rest);
    let login = login.map(shown_login).unwrap_or_default();
    let resource = match resource.split_once("://") {
        Some((before, inner)) => format!("{}://{}", shown(before), without_secrets(inner)),
        None => shown(resource),
    };
    format!("{login}{host}{resource}")
}

/// The parts of an address after its scheme.
struct Address<'a> {
    login: Option<&'a str>,
    host: &'a str,
    /// Path, query and fragment.
    resource: &'a str,
}

impl<'a> Address<'a> {
    fn of(rest: &'a str) -> Self {
        let (authority, resource) = cut(rest, &['/', '?', '#']);
        if let Some((login, host)) = authority.rsplit_once('@') {
            return Self { login: Some(login), host, resource };
        }
        // A port in letters is no port but the start of a password with a slash that was not
        // escaped. The address is refused, and the refusal must not show it.
        let port = authority.split_once(':').map(|(_, port)| port);
        let is_odd = port.is_some_and(|port| !port.chars().all(|c| c.is_ascii_digit()));
        match rest.rsplit_once('@').filter(|_| is_odd && !authority.starts_with('[')) {
            Some((login, rest)) => {
                let (host, resource) = cut(rest, &['/', '?', '#']);
                Self { login: Some(login), host, resource }
            }
            None => Self { login: None, host: authority, resource },
        }
    }

    /// The pairs of `key=value` in the resource.
    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (path, query) = cut(self.resource, &['?', '#']);
        let in_path = path.split(['/', '&', ';']);
        let in_query = query.split(['?', '&', ';', '#']);
        // A value may itself hold what looks like a separator, so the longer reading counts too.
        let whole = query.split(['&', ';']).map(|piece| piece.trim_start_matches(['?', '#']));
        in_path.chain(whole).chain(in_query).filter_map(|piece| piece.split_once('='))
    }
}

/// `text` up to the first of `ends`, and from there on.
fn cut<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn shown_login(login: &str) -> String {
    match login.split_once(':') {
        Some((user, _password)) => format!("{user}:{HIDDEN}@"),
        None => format!("{HIDDEN}@"),
    }
}

/// A resource without its secrets. In a query a slash is part of the value.
fn shown(resource: &str) -> String {
    let (path, query) = cut(resource, &['?', '#']);
    let in_path = path.split_inclusive(['/', '&', ';']);
    in_path.chain(query.split_inclusive(['&', ';'])).map(shown_piece).collect()
}

fn shown_piece(piece: &str) -> String {
    if let Some((key, _)) = piece.split_once('=')
        && sounds_secret(key.trim_start_matches(['?', '#']))
    {
        let delimiter = piece.chars().last().filter(|last| "&/;".contains(*last));
        return format!("{key}={HIDDEN}{}", delimiter.map(String::from).unwrap_or_default());
    }
    // Behind a mark may stand a pair of its own.
    match piece.char_indices().skip(1).find(|(_, c)| "?#".contains(*c)) {
        Some((mark, _)) => format!("{}{}", &piece[..mark], shown_piece(&piece[mark..])),
        None => piece.to_owned(),
    }
}

/// Texts that must not be shown, and what is shown instead: for cleaning what others write.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// The secrets among named values: those whose name sounds like one, and those in addresses.
    pub(crate) fn of<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found: Vec<_> =
            values.flat_map(|(name, value)| replacements(name, value)).collect();
        found.retain(|(secret, _)| !secret.is_empty());
        // A secret that is part of another must not break that one up.
        found.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        Self(found)
    }

    /// `text` without them.
    pub(crate) fn hide(&self, text: &str) -> String {
        let hide = |text: String, (secret, shown): &(String, String)| text.replace(secret, shown);
        self.0.iter().fold(text.to_owned(), hide)
    }
}

fn replacements(name: &str, value: &str) -> Vec<(String, String)> {
    let mut found = vec![(value.to_owned(), redact(value))];
    let words = if sounds_secret(name) { vec![value] } else { secret_words(value) };
    let hidden = |word: String| (word, HIDDEN.to_owned());
    found.extend(words.into_iter().flat_map(|word| [word.to_owned(), decoded(word)]).map(hidden));
    found.retain(|(secret, shown)| secret != shown);
    found
}

/// The secrets of an address: password or token, and values.
fn secret_words(address: &str) -> Vec<&str> {
    let Some((_, rest)) = address.split_once("://") else { return Vec::new() };
    let address = Address::of(rest);
    let password = address.login.map(|login| login.split_once(':').map_or(login, |(_, word)| word));
    let values = address.pairs().filter(|(key, _)| sounds_secret(key)).map(|(_, value)| value);
    password.into_iter().chain(values).collect()
}

/// Percent-decodes; form decoding would also turn `+` into a space, so `+` is kept from it.
pub(crate) fn decoded(text: &str) -> String {
    let kept = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let mut pairs = url::form_urlencoded::parse(kept.as_bytes());
    pairs.next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        let cases = [
            ("rtsp://me:pw@cam/live", "rtsp://me:***@cam/live"),
            ("rtsp://me:p@w@cam:554/live?a=1", "rtsp://me:***@cam:554/live?a=1"),
            ("rtsp://TOKEN@cam/live", "rtsp://***@cam/live"),
            ("rtsp://cam/live?user=me&Password=x&b=2", "rtsp://cam/live?user=me&Password=***&b=2"),
            ("rtsp://cam/live?password=x&m=a@b", "rtsp://cam/live?password=***&m=a@b"),
            ("rtsp://cam?token=x@y", "rtsp://cam?token=***"),
            ("rtsp://cam/?auth=a/b?c#d&n=1", "rtsp://cam/?auth=***&n=1"),
            ("rtsp://cam/?n=1#api_key=x", "rtsp://cam/?n=1#api_key=***"),
            ("rtsp://cam/?é?token=x", "rtsp://cam/?é?token=***"),
            ("rtsp://cam/#secret=x", "rtsp://cam/#secret=***"),
            ("rtsp://cam/?pass%77ord=x", "rtsp://cam/?pass%77ord=***"),
            ("rtsp://cam/user=me&passwd=x/ch", "rtsp://cam/user=me&passwd=***/ch"),
            ("rtsp://me:p/w?x@cam/live", "rtsp://me:***@cam/live"),
            ("['rtsp://a:b@c/', 'rtsp://d:e@f/']", "['rtsp://a:***@c/', 'rtsp://d:***@f/']"),
        ];
        for (text, shown) in cases {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let plain = [
            "clips/a:b@c.mp4",
            "clips/key=1.mp4",
            "file:///videos/a@b.mp4",
            "rtsp://cam:554/live@main",
            "rtsp://[fe80::1]:554/live@main",
            "test://ball?width=64&keyframes=5&bypass_mode=1#top",
        ];
        for text in plain {
            assert_eq!(redact(text), text);
        }
    }

    fn secrets(values: &[(&str, &str)]) -> Secrets {
        Secrets::of(values.iter().copied())
    }

    #[test]
    fn others_words_are_cleaned_of_the_password_in_both_spellings() {
        let secrets = secrets(&[("location", "rtsp://me:se%40cret@cam/live"), ("size", "plain")]);
        let words = "open rtsp://me:se%40cret@cam/live failed; login me se@cret, se%40cret, plain";
        let clean = "open rtsp://me:***@cam/live failed; login me ***, ***, plain";
        assert_eq!(secrets.hide(words), clean);
    }

    #[test]
    fn others_words_are_cleaned_of_tokens_values_and_parameters() {
        let secrets = secrets(&[
            ("location", "rtsp://TOKEN@cam/live?api_key=k%2Fey/2&channel=1"),
            ("user_pw", "sesame"),
            ("plain_secret", ""),
        ]);
        let words =
            "TOKEN, k%2Fey/2, k/ey/2, sesame, GET rtsp://cam/live?api_key=k%2Fey/2&channel=1";
        let clean = "***, ***, ***, ***, GET rtsp://cam/live?api_key=***&channel=1";
        assert_eq!(secrets.hide(words), clean);
    }

    #[test]
    fn a_secret_within_another_does_not_break_it_up() {
        let secrets = secrets(&[("token", "abc"), ("password", "abcdef")]);
        assert_eq!(secrets.hide("abcdef abc"), "*** ***");
    }
}
