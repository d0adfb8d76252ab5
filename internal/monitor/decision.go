package monitor

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"strings"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// id identifies a client.
type id struct {
	kind kind
	sum  [32]byte // the key, or the SHA-256 of the user name or principal
}

// kind is how a client is identified.
type kind uint8

const (
	anonymous kind = iota // by NULL, for example: each request has sum 0 and nothing is known about the client
	byKey
	byLogin
	byPrincipal
)

// identify returns the id of a client, and its user name or principal, which belongs to the
// request.
func identify(req *zap.Request) (id, []byte) {
	if key, ok := req.CurveKey(); ok {
		return id{byKey, key}, nil
	}
	n := len(req.Credentials)
	switch {
	case req.Mechanism == zap.Plain && n == 2, req.Mechanism == zap.ScramSHA256 && n == 2, req.Mechanism == zap.ScramSHA256Plus && n == 3:
		return id{byLogin, sha256.Sum256(req.Credentials[0])}, req.Credentials[0]
	case req.Mechanism == zap.GSSAPI && n == 1:
		return id{byPrincipal, sha256.Sum256(req.Credentials[0])}, req.Credentials[0]
	}
	return id{}, nil
}

// hash returns a number that is equal for equal ids. Clients can choose it.
func (i *id) hash() uint64 { return binary.LittleEndian.Uint64(i.sum[:]) }

// maxText is how many bytes of a text are remembered. All texts of a valid request and reply
// are this short.
const maxText = 255

// cut returns the beginning of a text.
func cut(text string) string { return text[:min(len(text), maxText)] }

// decision holds a decision without its time. It does not change: decisions that are
// equal share one.
type decision struct {
	id
	proved    bool // whether key was proved beside the user name
	key       curve.PublicKey
	name      string // the user name or principal
	mechanism string
	domain    string
	address   string
	asker     string
	identity  string
	user      string
	reason    string
	rule      string
	status    zap.Status
}

// view returns the decision about a request. Its texts belong to the request and the reply.
func view(id id, req *zap.Request, reply *zap.Reply) decision {
	d := decision{id: id, mechanism: cut(req.Mechanism), domain: cut(req.Domain), address: cut(req.Address), asker: cut(req.Asker),
		identity: cut(reply.Identity), rule: cut(reply.Rule), status: reply.Status}
	if reply.Status == zap.StatusOK {
		d.user = cut(reply.UserID)
	} else {
		d.reason = cut(reply.Text)
	}
	if req.Mechanism == zap.ScramSHA256Plus && len(req.Credentials) == 3 && len(req.Credentials[2]) == len(d.key) {
		d.proved, d.key = true, curve.PublicKey(req.Credentials[2])
	}
	return d
}

// equal reports whether d and a view of the same client say the same.
func (d *decision) equal(v *decision) bool {
	return d != nil && d.status == v.status && d.domain == v.domain && d.address == v.address && d.asker == v.asker &&
		d.rule == v.rule && d.reason == v.reason && d.identity == v.identity && d.user == v.user && d.mechanism == v.mechanism &&
		d.id == v.id && d.key == v.key
}

// clone returns a copy of a view that belongs to nobody else.
func (d decision) clone(name []byte) *decision {
	d.name = cut(string(name))
	for _, text := range [...]*string{&d.mechanism, &d.domain, &d.address, &d.asker, &d.identity, &d.user, &d.reason, &d.rule, &d.name} {
		*text = strings.Clone(*text)
	}
	return &d
}

// refused reports whether the client was not admitted.
func (d *decision) refused() bool { return d.status != zap.StatusOK }

// last returns the decision for a Client.
func (d *decision) last(at time.Time) *Last {
	return &Last{stamp(at), d.domain, d.address, d.asker, int(d.status), d.reason, d.rule}
}

// record returns the decision as a line of the audit log.
func (d *decision) record(at time.Time) audit.Record {
	r := audit.NewRecord(at, &zap.Request{Domain: d.domain, Address: d.address, Mechanism: d.mechanism, Asker: d.asker},
		zap.Reply{Status: d.status, Text: d.reason, UserID: d.user, Rule: d.rule, Identity: d.identity})
	switch {
	case d.kind == byKey:
		r.Key, r.Fingerprint = printKey(d.sum)
	case d.kind == byLogin:
		r.Login = d.name
	case d.kind == byPrincipal:
		r.Principal = d.name
	}
	if d.proved {
		r.Key, r.Fingerprint = printKey(d.key)
	}
	return r
}

// printKey returns a key and its fingerprint as texts.
func printKey(key curve.PublicKey) (text, fingerprint string) { return key.String(), key.Fingerprint() }

// stamp returns a time as in records.
func stamp(at time.Time) time.Time { return at.UTC().Truncate(time.Millisecond) }

// decisions holds decisions that were made before, so that their repeats need no memory. The
// hash of a decision is its place.
type decisions [64]*decision

var seed = maphash.MakeSeed()

// intern returns a decision that is equal to v.
func (ds *decisions) intern(v *decision, name []byte) *decision {
	hash := v.hash()
	for _, text := range [...]string{v.address, v.domain, v.asker, v.reason} {
		hash = hash*31 + maphash.String(seed, text)
	}
	place := &ds[(hash>>32)%uint64(len(ds))]
	if !(*place).equal(v) {
		*place = v.clone(name)
	}
	return *place
}
