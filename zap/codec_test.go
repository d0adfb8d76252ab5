package zap_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/zap"
)

// frames converts strings to frames.
func frames(parts ...string) [][]byte {
	out := make([][]byte, len(parts))
	for i, part := range parts {
		out[i] = []byte(part)
	}
	return out
}

// diffFrames compares frames. An empty frame equals nil.
func diffFrames(want, got [][]byte) string {
	if slices.EqualFunc(want, got, bytes.Equal) {
		return "" // cmp is slow for many frames
	}
	return cmp.Diff(want, got)
}

var (
	key    = strings.Repeat("k", 32)
	long   = strings.Repeat("x", 256)
	domain = frames("", "1.0", "1", "payments", "192.0.2.1", "id")
)

// request returns the frames of a request, with these frames after the routing id.
func request(parts ...string) [][]byte { return slices.Concat(domain, frames(parts...)) }

func TestRequest(t *testing.T) {
	t.Parallel()
	payments := func(mechanism string, credentials ...string) *zap.Request {
		return &zap.Request{Domain: "payments", Address: "192.0.2.1", RoutingID: []byte("id"),
			Mechanism: mechanism, Credentials: frames(credentials...)}
	}
	one := zap.Envelope{RequestID: []byte("1")}
	for _, tt := range []struct {
		name   string
		frames [][]byte
		env    zap.Envelope
		req    *zap.Request
	}{
		{"NULL", request("NULL"), one, payments("NULL")},
		{"PLAIN", request("PLAIN", "alice", "secret"), one, payments("PLAIN", "alice", "secret")},
		{"PLAIN without password", request("PLAIN", "alice", ""), one, payments("PLAIN", "alice", "")},
		{"CURVE", request("CURVE", key), one, payments("CURVE", key)},
		{"GSSAPI", request("GSSAPI", "alice@EXAMPLE"), one, payments("GSSAPI", "alice@EXAMPLE")},
		{"SCRAM", request("SCRAM-SHA-256", "alice", key), one, payments("SCRAM-SHA-256", "alice", key)},
		{"SCRAM with a key", request("SCRAM-SHA-256-PLUS", "alice", key, key), one, payments("SCRAM-SHA-256-PLUS", "alice", key, key)},
		{"another mechanism", request("X-TOKEN", "a", "b", "c"), one, payments("X-TOKEN", "a", "b", "c")},
		{"as empty as possible", frames("", "1.0", "", "", "", "", "NULL"), zap.Envelope{}, &zap.Request{Mechanism: "NULL"}},
		{"longest strings", frames("", "1.0", long[1:], long[1:], long[1:], long[1:], long[1:]),
			zap.Envelope{RequestID: []byte(long[1:])},
			&zap.Request{Domain: long[1:], Address: long[1:], RoutingID: []byte(long[1:]), Mechanism: long[1:]}},
		{"any bytes in both ids", frames("", "1.0", "\x00\xff", "", "", "\x00\xff", "NULL"),
			zap.Envelope{RequestID: []byte("\x00\xff")}, &zap.Request{RoutingID: []byte("\x00\xff"), Mechanism: "NULL"}},
		{"behind a ROUTER", slices.Concat(frames("\x00abcd"), request("NULL")),
			zap.Envelope{RoutingIDs: frames("\x00abcd"), RequestID: []byte("1")}, payments("NULL")},
		{"behind three proxies", slices.Concat(frames("a", "bb", "ccc"), request("NULL")),
			zap.Envelope{RoutingIDs: frames("a", "bb", "ccc"), RequestID: []byte("1")}, payments("NULL")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env, req, answer, err := zap.ParseRequest(tt.frames)
			if err != nil || !answer {
				t.Fatalf("got answer %v, %v", answer, err)
			}
			if diff := cmp.Diff(tt.env, env, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("envelope (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.req, req, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			again, err := zap.AppendRequest(slices.Clone(tt.env.RoutingIDs), tt.env.RequestID, tt.req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := diffFrames(tt.frames, again); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRequestMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		frames [][]byte
		answer bool // there is a return address
		err    error
	}{
		{"nothing", nil, false, zap.ErrRequest},
		{"one byte", frames("x"), false, zap.ErrRequest},
		{"no delimiter", frames("id", "1.0", "1", "payments"), false, zap.ErrRequest},
		{"delimiter only", frames(""), false, zap.ErrRequest},
		{"no request id", frames("", "1.0"), false, zap.ErrRequest},
		{"routing ids only", frames("a", "b", "c"), false, zap.ErrRequest},
		{"request id of 256 bytes", frames("", "1.0", long, "", "", "", "NULL"), false, zap.ErrRequest},
		{"request id of 256 bytes in another version", frames("", "2.0", long, "", "", "", "NULL"), false, zap.ErrRequest},
		{"version 2.0", frames("", "2.0", "1", "payments", "192.0.2.1", "id", "NULL"), true, zap.ErrVersion},
		{"version 1.00", frames("", "1.00", "1", "payments", "192.0.2.1", "id", "NULL"), true, zap.ErrVersion},
		{"no version", frames("", "", "1", "payments", "192.0.2.1", "id", "NULL"), true, zap.ErrVersion},
		{"version of REQ's", frames("1.0", "1", "", "192.0.2.1", "id", "NULL"), true, zap.ErrVersion},
		{"ends after the request id", frames("", "1.0", "1"), true, zap.ErrRequest},
		{"ends after the domain", frames("", "1.0", "1", "payments"), true, zap.ErrRequest},
		{"ends after the address", frames("", "1.0", "1", "payments", "192.0.2.1"), true, zap.ErrRequest},
		{"ends after the routing id", request(), true, zap.ErrRequest},
		{"domain of 256 bytes", frames("", "1.0", "1", long, "192.0.2.1", "id", "NULL"), true, zap.ErrRequest},
		{"domain beyond ASCII", frames("", "1.0", "1", "zahlungsverkehr für alle", "192.0.2.1", "id", "NULL"), true, zap.ErrRequest},
		{"line break in the domain", frames("", "1.0", "1", "a\nb", "192.0.2.1", "id", "NULL"), true, zap.ErrRequest},
		{"address of 256 bytes", frames("", "1.0", "1", "payments", long, "id", "NULL"), true, zap.ErrRequest},
		{"NUL in the address", frames("", "1.0", "1", "payments", "192.0.2.1\x00", "id", "NULL"), true, zap.ErrRequest},
		{"routing id of 256 bytes", frames("", "1.0", "1", "payments", "192.0.2.1", long, "NULL"), true, zap.ErrRequest},
		{"no mechanism", request(""), true, zap.ErrRequest},
		{"mechanism of 256 bytes", request(long), true, zap.ErrRequest},
		{"mechanism beyond ASCII", request("\xff"), true, zap.ErrRequest},
		{"NULL with credentials", request("NULL", ""), true, zap.ErrRequest},
		{"PLAIN without credentials", request("PLAIN"), true, zap.ErrRequest},
		{"PLAIN without password frame", request("PLAIN", "alice"), true, zap.ErrRequest},
		{"PLAIN with three frames", request("PLAIN", "alice", "secret", "secret"), true, zap.ErrRequest},
		{"PLAIN with a name of 1025 bytes", request("PLAIN", strings.Repeat("a", 1025), "secret"), true, zap.ErrRequest},
		{"PLAIN with a password of 1025 bytes", request("PLAIN", "alice", strings.Repeat("a", 1025)), true, zap.ErrRequest},
		{"CURVE without key", request("CURVE"), true, zap.ErrRequest},
		{"CURVE with an empty key", request("CURVE", ""), true, zap.ErrRequest},
		{"CURVE with 31 bytes", request("CURVE", key[1:]), true, zap.ErrRequest},
		{"CURVE with 33 bytes", request("CURVE", key+"k"), true, zap.ErrRequest},
		{"CURVE with a key in Z85", request("CURVE", strings.Repeat("0", 40)), true, zap.ErrRequest},
		{"CURVE with two keys", request("CURVE", key, key), true, zap.ErrRequest},
		{"GSSAPI without principal", request("GSSAPI"), true, zap.ErrRequest},
		{"SCRAM without ClientKey", request("SCRAM-SHA-256", "alice"), true, zap.ErrRequest},
		{"SCRAM with a ClientKey of 31 bytes", request("SCRAM-SHA-256", "alice", key[1:]), true, zap.ErrRequest},
		{"SCRAM-PLUS without a key", request("SCRAM-SHA-256-PLUS", "alice", key), true, zap.ErrRequest},
		{"another mechanism with 17 frames", request(append([]string{"X"}, make([]string, 17)...)...), true, zap.ErrRequest},
		{"another mechanism with 1025 bytes", request("X", strings.Repeat("c", 1025)), true, zap.ErrRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, ids := range [][][]byte{nil, frames("\x00\x01\x02\x03\x04"), frames("a", "b")} {
				in := slices.Concat(ids, tt.frames)
				env, req, answer, err := zap.ParseRequest(in)
				if !errors.Is(err, zap.ErrRequest) || !errors.Is(err, tt.err) || req != nil || answer != tt.answer {
					t.Errorf("behind %q: got %v, answer %v, %v", ids, req, answer, err)
				}
				if errors.Is(err, zap.ErrVersion) && tt.err != zap.ErrVersion {
					t.Errorf("behind %q: got %v", ids, err)
				}
				if err != nil && len(err.Error()) > 200 {
					t.Errorf("error of %d bytes", len(err.Error()))
				}
				if !answer {
					continue
				}
				// The reply has the same envelope.
				reply, err := zap.AppendReply(nil, env, zap.Reply{Status: zap.StatusError})
				if err != nil {
					t.Error(err)
				}
				n := slices.IndexFunc(in, func(frame []byte) bool { return len(frame) == 0 })
				if diff := diffFrames(in[:n], env.RoutingIDs); diff != "" {
					t.Errorf("behind %q: routing ids (-want +got):\n%s", ids, diff)
				}
				if _, got, err := zap.ParseReply(reply); err != nil || got.Status != zap.StatusError {
					t.Errorf("behind %q: the answer is %+v, %v", ids, got, err)
				}
			}
		})
	}
}

func TestAppendRequestMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		id   string
		req  zap.Request
	}{
		{"no mechanism", "1", zap.Request{}},
		{"wrong key", "1", zap.Request{Mechanism: zap.Curve, Credentials: frames("short")}},
		{"domain of 256 bytes", "1", zap.Request{Domain: long, Mechanism: zap.Null}},
		{"request id of 256 bytes", long, zap.Request{Mechanism: zap.Null}},
	} {
		got, err := zap.AppendRequest(frames("before"), []byte(tt.id), &tt.req)
		if !errors.Is(err, zap.ErrRequest) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if diff := diffFrames(frames("before"), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	env := zap.Envelope{RoutingIDs: frames("a", "b"), RequestID: []byte("7")}
	for _, tt := range []struct {
		name  string
		reply zap.Reply
		body  [][]byte
	}{
		{"welcome", zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: "alice", Metadata: zap.Metadata{{Name: "X-Group", Value: "traders"}}},
			frames("200", "OK", "alice", "\x07X-Group\x00\x00\x00\x07traders")},
		{"nothing but welcome", zap.Reply{Status: zap.StatusOK}, frames("200", "", "", "")},
		{"try later", zap.Reply{Status: zap.StatusTryLater, Text: "busy"}, frames("300", "busy", "", "")},
		{"refused", zap.Refuse("unknown key"), frames("400", "unknown key", "", "")},
		{"error", zap.Reply{Status: zap.StatusError, Text: long[1:]}, frames("500", long[1:], "", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := slices.Concat(frames("before", "a", "b", "", "1.0", "7"), tt.body)
			got, err := zap.AppendReply(frames("before"), env, tt.reply)
			if err != nil {
				t.Fatal(err)
			}
			if diff := diffFrames(want, got); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			id, reply, err := zap.ParseReply(got[1:])
			if err != nil || string(id) != "7" {
				t.Fatalf("got the id %q, %v", id, err)
			}
			if diff := cmp.Diff(tt.reply, reply, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReplyKeepsBack: a reply that does not admit the client has neither user id nor
// metadata, and no reply includes its rule.
func TestReplyKeepsBack(t *testing.T) {
	t.Parallel()
	for _, status := range []zap.Status{zap.StatusTryLater, zap.StatusRefused, zap.StatusError} {
		reply := zap.Reply{Status: status, UserID: "alice", Metadata: zap.Metadata{{Name: "X", Value: "x"}}, Rule: "policy.zpl:12"}
		got, err := zap.AppendReply(nil, zap.Envelope{}, reply)
		if err != nil {
			t.Error(err)
		}
		if diff := diffFrames(frames("", "1.0", "", string(got[3]), "", "", ""), got); diff != "" {
			t.Errorf("%d (-want +got):\n%s", status, diff)
		}
	}
}

// TestAppendReplyMalformed: an invalid reply is sent as status 500, with an error for the
// log. libzmq would close the connection without an explanation.
func TestAppendReplyMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		reply zap.Reply
		err   error
	}{
		{"no status", zap.Reply{}, zap.ErrReply},
		{"status 201", zap.Reply{Status: 201}, zap.ErrReply},
		{"status -200", zap.Reply{Status: -200}, zap.ErrReply},
		{"status 2000", zap.Reply{Status: 2000}, zap.ErrReply},
		{"text of 256 bytes", zap.Refuse(long), zap.ErrReply},
		{"text beyond ASCII", zap.Refuse("größer"), zap.ErrReply},
		{"line break in the text", zap.Refuse("a\nb"), zap.ErrReply},
		{"user id of 256 bytes", zap.Allow(long), zap.ErrReply},
		{"user id beyond ASCII", zap.Allow("Zoë"), zap.ErrReply},
		{"NUL in the user id", zap.Allow("root\x00"), zap.ErrReply},
		{"metadata", zap.Reply{Status: zap.StatusOK, UserID: "alice", Metadata: zap.Metadata{{Name: "a b"}}}, zap.ErrMetadata},
		{"metadata twice", zap.Reply{Status: zap.StatusOK, Metadata: zap.Metadata{{Name: "a"}, {Name: "A"}}}, zap.ErrMetadata},
	} {
		got, err := zap.AppendReply(frames("before"), zap.Envelope{RequestID: []byte("1")}, tt.reply)
		if !errors.Is(err, zap.ErrReply) || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if diff := diffFrames(frames("before", "", "1.0", "1", "500", "internal error", "", ""), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestParseReplyMalformed(t *testing.T) {
	t.Parallel()
	// reply returns a valid envelope and these frames.
	reply := func(parts ...string) [][]byte { return slices.Concat(frames("", "1.0", "1"), frames(parts...)) }
	for _, tt := range []struct {
		name   string
		frames [][]byte
		err    error
	}{
		{"nothing", nil, zap.ErrReply},
		{"no delimiter", frames("1.0", "1", "200", "OK"), zap.ErrReply},
		{"no request id", frames("", "1.0"), zap.ErrReply},
		{"request id of 256 bytes", frames("", "1.0", long, "200", "OK", "", ""), zap.ErrReply},
		{"version 2.0", frames("", "2.0", "1", "200", "OK", "", ""), zap.ErrVersion},
		{"no status", reply(), zap.ErrReply},
		{"three frames", reply("200", "OK", "alice"), zap.ErrReply},
		{"five frames", reply("200", "OK", "alice", "", ""), zap.ErrReply},
		{"empty status", reply("", "OK", "", ""), zap.ErrReply},
		{"status 100", reply("100", "", "", ""), zap.ErrReply},
		{"status 201", reply("201", "", "", ""), zap.ErrReply},
		{"status 20", reply("20", "", "", ""), zap.ErrReply},
		{"status 2000", reply("2000", "", "", ""), zap.ErrReply},
		{"status with a sign", reply("+20", "", "", ""), zap.ErrReply},
		{"status with a space", reply("200 ", "", "", ""), zap.ErrReply},
		{"status of letters", reply("2OO", "", "", ""), zap.ErrReply},
		{"status of a megabyte", reply(strings.Repeat("2", 1<<20), "", "", ""), zap.ErrReply},
		{"text of 256 bytes", reply("400", long, "", ""), zap.ErrReply},
		{"text of a megabyte", reply("400", strings.Repeat("t", 1<<20), "", ""), zap.ErrReply},
		{"line break in the text", reply("400", "a\nb", "", ""), zap.ErrReply},
		{"user id of 256 bytes", reply("200", "OK", long, ""), zap.ErrReply},
		{"user id beyond ASCII", reply("200", "OK", "Zoë", ""), zap.ErrReply},
		{"user id of the refused", reply("400", "", "alice", ""), zap.ErrReply},
		{"metadata of the refused", reply("400", "", "", "\x01a\x00\x00\x00\x00"), zap.ErrReply},
		{"metadata cut off", reply("200", "OK", "alice", "\x01a\x00\x00\x00\x01"), zap.ErrMetadata},
		{"metadata twice", reply("200", "OK", "alice", "\x01a\x00\x00\x00\x00\x01A\x00\x00\x00\x00"), zap.ErrMetadata},
	} {
		id, got, err := zap.ParseReply(tt.frames)
		if !errors.Is(err, zap.ErrReply) || !errors.Is(err, tt.err) || !strings.HasPrefix(err.Error(), "zap: malformed reply: ") {
			t.Errorf("%s: got %v", tt.name, err)
		}
		// The request with this id need not wait any longer.
		if len(tt.frames) > 2 && len(tt.frames[0]) == 0 && string(id) != string(tt.frames[2]) {
			t.Errorf("%s: got the id %q", tt.name, id)
		}
		if diff := cmp.Diff(zap.Reply{}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%s: error of %d bytes", tt.name, len(err.Error()))
		}
	}
}
