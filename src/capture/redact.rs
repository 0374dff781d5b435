//! Passwords in addresses, and how they are kept out of everything that is shown.

/// What stands in a password's place.
const HIDDEN: &str = "***";

/// `text` with the passwords in it hidden: all of `user:password@` but the user, and the values of
/// keys that sound like secrets (`?password=...`, `/token=...`).
pub(super) fn redact(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (user, address) = match rest.rsplit_once('@') {
        Some((login, address)) => (Some(login.split(':').next().unwrap_or_default()), address),
        None => (None, rest),
    };
    let login = user.map(|user| format!("{user}:{HIDDEN}@")).unwrap_or_default();
    format!("{scheme}://{login}{}", hide_values(address))
}

fn hide_values(address: &str) -> String {
    let pieces = address.split_inclusive(['?', '&', '/', ';']);
    pieces.map(hide_value).collect()
}

fn hide_value(piece: &str) -> String {
    let delimiter = piece.chars().last().filter(|last| "?&/;".contains(*last));
    let delimiter = delimiter.map(String::from).unwrap_or_default();
    match piece.split_once('=') {
        Some((key, _)) if sounds_secret(key) => format!("{key}={HIDDEN}{delimiter}"),
        _ => piece.to_owned(),
    }
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["pass", "pwd", "token", "secret", "auth", "key"].iter().any(|word| key.contains(word))
}

/// An address that must not be shown, for cleaning texts that others wrote.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// The secrets among the values that fill a pipeline.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        Self(values.flat_map(replacements).collect())
    }

    /// `text` without them.
    pub(super) fn hide(&self, text: &str) -> String {
        let hide = |text: String, (secret, shown): &(String, String)| text.replace(secret, shown);
        self.0.iter().fold(text.to_owned(), hide)
    }
}

/// The whole address first, then the password alone, as written and as decoded.
fn replacements(value: &str) -> Vec<(String, String)> {
    let shown = redact(value);
    if shown == value {
        return Vec::new();
    }
    let mut found = vec![(value.to_owned(), shown)];
    let login = value.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    let password = login.and_then(|(login, _)| login.split_once(':')).map(|(_, word)| word);
    if let Some(password) = password.filter(|word| !word.is_empty()) {
        found.push((password.to_owned(), HIDDEN.to_owned()));
        found.push((decoded(password), HIDDEN.to_owned()));
    }
    found
}

/// Percent-decodes; form decoding would also turn `+` into a space, so `+` is kept from it.
pub(super) fn decoded(text: &str) -> String {
    let kept = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let mut pairs = url::form_urlencoded::parse(kept.as_bytes());
    pairs.next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        let cases = [
            ("rtsp://me:pw@cam/live", "rtsp://me:***@cam/live"),
            ("rtsp://me:p@s/s@cam:554/live?a=1", "rtsp://me:***@cam:554/live?a=1"),
            ("rtsp://cam/live?user=me&Password=x&b=2", "rtsp://cam/live?user=me&Password=***&b=2"),
            ("rtsp://cam/user=me&passwd=x/ch", "rtsp://cam/user=me&passwd=***/ch"),
            ("clips/a:b@c.mp4", "clips/a:b@c.mp4"),
        ];
        for (text, shown) in cases {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn others_words_are_cleaned_of_the_password_in_both_spellings() {
        let secrets = Secrets::of(["rtsp://me:se%40cret@cam/live", "plain"].into_iter());
        let words = "open rtsp://me:se%40cret@cam/live failed; login me se@cret, se%40cret";
        assert_eq!(secrets.hide(words), "open rtsp://me:***@cam/live failed; login me ***, ***");
    }
}
