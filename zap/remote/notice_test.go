package remote

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

const testID = "0123456789abcdef"

// frames returns a message. Its frames are separated by "|", and ID stands for an id.
func frames(text string) (message [][]byte) {
	for _, f := range strings.Split(strings.ReplaceAll(text, "ID", testID), "|") {
		message = append(message, []byte(f))
	}
	return message
}

// malformedNotices are messages that no service sends, and why. END answers those marked with
// an exclamation mark.
var malformedNotices = map[string]string{
	"|KEEP":                                          "no id of 16 bytes",
	"|KEEP|0123456789abcde||||||NULL":                "no id of 16 bytes",
	"|KEEP|0123456789abcdefg||||||NULL":              "no id of 16 bytes",
	"|KEEP|ID||||":                                   "4 frames after the id",
	"!|KEEP|ID||||||":                                "no mechanism",
	"!|KEEP|ID||||||NULL|x":                          "1 credentials frames for NULL",
	"!|KEEP|ID||||||CURVE|x":                         "CURVE key of 1 bytes",
	"!|KEEP|ID||||||PLAIN|alice":                     "1 credentials frames for PLAIN",
	"!|KEEP|ID|größer|||||NULL":                      "user id is not",
	"!|KEEP|ID||x||||NULL":                           "cut off",
	"!|KEEP|ID||\x07User-Id\x00\x00\x00\x00||||NULL": "metadata named User-Id",
	"!|KEEP|ID|||größer|||NULL":                      "domain is not printable",
	"|RESUME":                                        "no id of 16 bytes",
	"|RESUME|ID|":                                    "1 frames after the id",
	"|RELEASE|":                                      "no id of 16 bytes",
	"|RELEASE|ID|x":                                  "1 frames after the id",
	"|END|ID|400|no":                                 "END from a service",
	"|END|ID|400":                                    "1 frames after the id",
}

// TestMalformedNotices: a malformed notice is logged. It ends the admission if it would have
// begun to watch one, and affects no other request.
func TestMalformedNotices(t *testing.T) {
	t.Parallel()
	for text, why := range malformedNotices {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := new(recorder)
				p := newPair(t, zmtp.Config{Properties: announcement}, r)
				text, isAnswered := strings.CutPrefix(text, "!")
				p.notify(t, frames(text))
				if isAnswered {
					if id, reply := p.notified(t); string(id[:]) != testID || reply.Status != zap.StatusError {
						t.Errorf("answer %+v", reply)
					}
				}
				if p.log.Count("malformed ZAP request", why) != 1 || len(r.ends) > 0 || p.watched() > 0 {
					t.Errorf("%d kept, log:\n%s", len(r.ends), &p.log)
				}
				p.ask(t, 1)
				frames, err := p.asker.Recv(t.Context())
				ztest.Must(t, err)
				if _, reply, err := zap.ParseReply(frames); err != nil || reply.Status != zap.StatusOK {
					t.Errorf("the next request: %q, %v", frames, err)
				}
			})
		})
	}
}

// TestMalformedEnd: a malformed END ends its admission with status 500, if it has an id.
func TestMalformedEnd(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"|END|ID|200|OK":     "status 200",
		"|END|ID|123|what":   "status 123",
		"|END|ID|40|no":      "status of 2 bytes",
		"|END|ID|400|größer": "text is not",
		"|END|ID|400":        "1 frames after the id",
		"|RESUME|ID":         "RESUME from a server",
		"|END|ID":            "0 frames after the id",
		"|END":               "no id",
	} {
		var log ztest.Log
		h, err := NewHandler(Options{Log: log.Logger()}, "ipc://"+t.TempDir()+"/none")
		ztest.Must(t, err)
		var ended zap.Reply
		k := &kept{id: admissionID([]byte(testID)), end: func(r zap.Reply) { ended = r }}
		h.addKept(k)
		n, found, fault := parseNotice(frames(text))
		if !found {
			t.Errorf("%s is no notice", text)
		}
		h.receiveNotice(h.targets[0], n, fault)
		h.Close()
		if want := (text != "|END"); (ended.Status == zap.StatusError) != want || log.Count("malformed ZAP reply", why) != 1 {
			t.Errorf("%s: ended with %+v, log:\n%s", text, ended, &log)
		}
		if len(h.kept) > 0 {
			t.Errorf("%s: still kept after Close", text)
		}
	}
}

// FuzzNotice: whatever is parsed as a notice has the same meaning when it is written again, and
// no message of ZAP is a notice.
func FuzzNotice(f *testing.F) {
	for text := range malformedNotices {
		f.Add(strings.TrimPrefix(text, "!"))
	}
	for _, text := range []string{
		"|KEEP|ID|alice|\x05group\x00\x00\x00\x01a|test|192.0.2.1||PLAIN|alice|secret", "|KEEP|ID||||||NULL",
		"|RESUME|ID", "|RELEASE|ID", "|END|ID|400|revoked", "|1.0|id|test|||NULL", "proxy||1.0|id|test|||NULL", "", "|",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		message := frames(text)
		n, found, err := parseNotice(message)
		_, zapErr := zap.Answer(context.Background(), zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") }), "", message)
		if found && !errors.Is(zapErr, zap.ErrRequest) {
			t.Fatalf("%q is a request and a notice", message)
		}
		if !found || err != nil {
			if (err != nil) != found {
				t.Fatalf("%q: found %v, %v", message, found, err)
			}
			return
		}
		var again [][]byte
		switch n.name {
		case noticeKeep:
			req, reply, err := n.keep("asker")
			if err != nil {
				return
			}
			if again, err = appendKeep(n.id, req, reply); err != nil {
				t.Fatalf("%q: %v", message, err)
			}
		case noticeEnd:
			reply, err := n.end()
			if err != nil {
				return
			}
			again = appendEnd(n.id, reply)
		default:
			again = appendNotice(n.name, n.id)
		}
		if !slices.EqualFunc(message, again, bytes.Equal) {
			t.Errorf("%q is written again as %q", message, again)
		}
	})
}
