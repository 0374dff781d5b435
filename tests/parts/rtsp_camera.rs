//! A network camera for tests: an RTSP server on the loopback interface, in a process of its own, so that
//! it can be killed, frozen and started again.
//!
//!     rtsp_camera PORT [WIDTHxHEIGHT] [USER:PASSWORD]
//!
//! Port 0 lets the system choose. It prints `port N` when it serves `rtsp://127.0.0.1:N/live`, and the same
//! with sound before the picture at `/sound`. Then it does what each line on its stdin says:
//!
//! - `size WIDTHxHEIGHT`: the pictures have this size from now on;
//! - `colour AARRGGBB`: the pictures have this colour from now on, given in hexadecimal digits;
//! - `disconnect`: it closes the connections of all its clients.
//!
//! It ends with its stdin. `ADDRESS` in the environment names another address than 127.0.0.1.

use std::error::Error;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::prelude::*;
use gstreamer::{Bin, Caps, glib};
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPAuth, RTSPFilterResult, RTSPMediaFactory, RTSPServer, RTSPToken};

/// Encoders are asked for a key frame at least this often, in frames.
const KEY_FRAMES: u32 = 15;

/// What the pictures are like, of clients that are there and of those that come.
#[derive(Clone, Default)]
struct Look(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    size: (i32, i32),
    colour: u32,
    /// The pipelines of the clients.
    media: Vec<glib::WeakRef<Bin>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().ok_or("usage: rtsp_camera PORT [WIDTHxHEIGHT] [USER:PASSWORD]")?;
    let size = arguments.next().map(|text| parse_size(&text)).transpose()?;
    let login = arguments.next();
    gstreamer::init()?;
    let look = Look::default();
    look.change(|state| {
        (state.size, state.colour) = (size.unwrap_or((64, 48)), 0xff_00_ff_00);
    });
    let server = RTSPServer::new();
    server.set_address(&std::env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1".into()));
    server.set_service(&port);
    if let Some((user, password)) = login.as_deref().and_then(|login| login.split_once(':')) {
        server.set_auth(Some(&auth(user, password)));
    }
    let mounts = server.mount_points().ok_or("no mount points")?;
    for (path, sound) in [("/live", None), ("/sound", Some(SOUND))] {
        mounts.add_factory(path, factory(&look, sound, login.as_deref()));
    }
    let _attached = server.attach(None)?;
    println!("port {}", server.bound_port());
    let main_loop = glib::MainLoop::new(None, false);
    obey(server, look, main_loop.clone());
    main_loop.run();
    Ok(())
}

/// A microphone. No decoder is needed for what it sends, so that nothing is wrong with it but that it is no
/// picture.
const SOUND: &str = "audiotestsrc is-live=true ! audio/x-raw,format=S16BE,rate=8000,channels=1 ! \
                     rtpL16pay name=pay0 pt=97";

fn factory(look: &Look, sound: Option<&str>, login: Option<&str>) -> RTSPMediaFactory {
    let factory = RTSPMediaFactory::new();
    let (sound, place) = (sound.unwrap_or_default(), u8::from(sound.is_some()));
    factory.set_launch(&format!(
        "( {sound} videotestsrc name=source is-live=true pattern=solid-color ! capsfilter name=size ! \
         videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=ultrafast \
         key-int-max={KEY_FRAMES} ! rtph264pay name=pay{place} pt=96 config-interval=-1 )"
    ));
    factory.set_shared(true);
    if let Some((user, _)) = login.and_then(|login| login.split_once(':')) {
        let role = gstreamer::Structure::builder(user)
            .field("media.factory.access", true)
            .field("media.factory.construct", true)
            .build();
        factory.add_role_from_structure(&role);
    }
    let look = look.clone();
    factory.connect_media_configure(move |_, media| {
        if let Ok(bin) = media.element().downcast::<Bin>() {
            look.change(|state| state.media.push(bin.downgrade()));
        }
    });
    factory
}

/// Only that user with that password is let in.
fn auth(user: &str, password: &str) -> RTSPAuth {
    let auth = RTSPAuth::new();
    let token = RTSPToken::builder().field("media.factory.role", user).build();
    auth.add_basic(&RTSPAuth::make_basic(user, password), &token);
    auth
}

impl Look {
    /// Changes it for the clients that are there and those that come.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.media.retain(|media| media.upgrade().is_some());
        state.media.iter().filter_map(glib::WeakRef::upgrade).for_each(|media| state.show(&media));
    }
}

impl State {
    fn show(&self, media: &Bin) {
        if let Some(filter) = media.by_name("size") {
            let (width, height) = self.size;
            let caps = Caps::builder("video/x-raw").field("width", width).field("height", height);
            let caps = caps.field("framerate", gstreamer::Fraction::new(30, 1)).build();
            filter.set_property("caps", caps);
        }
        if let Some(source) = media.by_name("source") {
            source.set_property("foreground-color", self.colour);
        }
    }
}

/// Does what stdin says, until it ends.
fn obey(server: RTSPServer, look: Look, main_loop: glib::MainLoop) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("size", size)) => match parse_size(size) {
                    Ok(size) => look.change(|state| state.size = size),
                    Err(error) => eprintln!("{error}"),
                },
                Some(("colour", colour)) => match u32::from_str_radix(colour, 16) {
                    Ok(colour) => look.change(|state| state.colour = colour),
                    Err(error) => eprintln!("{colour}: {error}"),
                },
                None if line == "disconnect" => {
                    server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
                }
                _ => eprintln!("`{line}` is not understood"),
            }
        }
        main_loop.quit();
    });
}

fn parse_size(text: &str) -> Result<(i32, i32), String> {
    let parsed = text.split_once('x').and_then(|(width, height)| {
        Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
    });
    parsed.ok_or_else(|| format!("`{text}` is no size, write it like 64x48"))
}
