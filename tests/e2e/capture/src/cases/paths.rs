//! Every way to send, and every way to receive, over TCP.

use crate::case::Case;
use crate::raw::uring::{ReceiveOperation, SendOperation};
use crate::receive::ReceivePath;
use crate::send::SendPath;

/// Around what one segment, one page, one loopback packet and one record hold.
const SIZES: &[usize] = &[0, 1, 17, 1_447, 1_448, 4_096, 16_384, 65_535, 65_536, 1 << 20];
/// One more, in one call.
const WITH_LARGE: &[usize] = &[0, 1, 17, 1_447, 1_448, 4_096, 16_384, 65_535, 65_536, 1 << 20, 16 << 20];
/// A call for each byte.
const TINY: &[usize] = &[0, 1, 17, 1_448];

/// What Unix sockets do not have, or do otherwise.
pub(super) const TCP_ONLY: &[&str] =
    &["send/sendto", "send/zerocopy", "send/uring_send_zc", "send/uring_sendmsg_zc", "receive/trunc"];

pub(super) fn cases() -> impl Iterator<Item = Case> {
    let send = senders()
        .into_iter()
        .map(|(name, send, sizes)| Case { send, ..Case::new(format!("send/{name}"), sizes) });
    let receive = receivers()
        .into_iter()
        .map(|(name, receive, sizes)| Case { receive, ..Case::new(format!("receive/{name}"), sizes) });
    send.chain(receive)
}

/// Name, way and sizes.
fn senders() -> Vec<(&'static str, SendPath, &'static [usize])> {
    use SendOperation::{Send, SendMsg, SendMsgZc, SendZc, Write, Writev};
    vec![
        ("write", SendPath::Write, WITH_LARGE),
        ("writev", SendPath::Writev, SIZES),
        ("writev_1000", SendPath::WritevMany, WITH_LARGE),
        ("pwritev2", SendPath::Pwritev2, SIZES),
        ("send", SendPath::Send, SIZES),
        ("sendto", SendPath::Sendto, SIZES),
        ("sendmsg", SendPath::Sendmsg, SIZES),
        ("sendmmsg", SendPath::Sendmmsg, SIZES),
        ("sendfile", SendPath::Sendfile, WITH_LARGE),
        ("splice", SendPath::Splice, SIZES),
        ("tee", SendPath::Tee, SIZES),
        ("vmsplice", SendPath::Vmsplice, SIZES),
        ("zerocopy", SendPath::ZeroCopy, WITH_LARGE),
        ("more", SendPath::More, SIZES),
        ("one_byte", SendPath::OneByte, TINY),
        ("non_blocking", SendPath::NonBlocking, WITH_LARGE),
        ("int_0x80_write", SendPath::Compat, SIZES),
        ("aio", SendPath::Aio, SIZES),
        ("uring_send", SendPath::Uring(Send), SIZES),
        ("uring_write", SendPath::Uring(Write), SIZES),
        ("uring_writev", SendPath::Uring(Writev), SIZES),
        ("uring_sendmsg", SendPath::Uring(SendMsg), SIZES),
        ("uring_send_zc", SendPath::Uring(SendZc), SIZES),
        ("uring_sendmsg_zc", SendPath::Uring(SendMsgZc), SIZES),
        ("uring_sqpoll_send", SendPath::UringPolled(Send), SIZES),
        ("uring_sqpoll_write", SendPath::UringPolled(Write), SIZES),
    ]
}

/// Name, way and sizes.
fn receivers() -> Vec<(&'static str, ReceivePath, &'static [usize])> {
    use ReceiveOperation::{Read, Readv, Recv, RecvMsg};
    vec![
        ("read", ReceivePath::Read, SIZES),
        ("readv", ReceivePath::Readv, SIZES),
        ("preadv2", ReceivePath::Preadv2, SIZES),
        ("recv", ReceivePath::Recv, SIZES),
        ("recvfrom", ReceivePath::Recvfrom, SIZES),
        ("recvmsg", ReceivePath::Recvmsg, SIZES),
        ("recvmmsg", ReceivePath::Recvmmsg, SIZES),
        ("peek_then_read", ReceivePath::PeekThenRead, SIZES),
        ("waitall", ReceivePath::WaitAll, SIZES),
        ("trunc", ReceivePath::Trunc, SIZES),
        ("one_byte", ReceivePath::OneByte, TINY),
        ("splice", ReceivePath::Splice, SIZES),
        ("int_0x80_read", ReceivePath::Compat, SIZES),
        ("aio", ReceivePath::Aio, SIZES),
        ("uring_recv", ReceivePath::Uring(Recv), SIZES),
        ("uring_read", ReceivePath::Uring(Read), SIZES),
        ("uring_readv", ReceivePath::Uring(Readv), SIZES),
        ("uring_recvmsg", ReceivePath::Uring(RecvMsg), SIZES),
        ("uring_sqpoll_recv", ReceivePath::UringPolled(Recv), SIZES),
    ]
}
