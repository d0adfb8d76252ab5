package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// scramRules decides which logins by SCRAM to admit.
type scramRules struct {
	rule     string
	accounts map[string]*account // with a verifier
	all      []*sasl.Verifier    // of the accounts, in an order that does not depend on theirs
	key      [sha256.Size]byte   // of decoys
}

func newScramRules(s *plainSection) *scramRules {
	p := &scramRules{rule: s.rule, accounts: map[string]*account{}}
	verifiers := map[string]*sasl.Verifier{}
	for _, a := range s.accounts {
		if a.verifier != nil {
			p.accounts[a.login] = a
			verifiers[a.verifier.Encode()] = a.verifier
		}
	}
	texts := slices.Sorted(maps.Keys(verifiers))
	for _, text := range texts {
		p.all = append(p.all, verifiers[text])
	}
	// Only someone who knows every verifier can tell a decoy. It stays the same when the
	// program restarts.
	p.key = sha256.Sum256([]byte("decoys\n" + strings.Join(texts, "\n")))
	return p
}

// verifier returns the verifier of a login, or a decoy with the parameters of one of the
// accounts. It takes the same steps for each login.
func (p *scramRules) verifier(login string) sasl.Verifier {
	sum := sha256.Sum256(append(p.key[:], login...))
	like := p.all[binary.LittleEndian.Uint64(sum[:])%uint64(len(p.all))]
	v := like.Decoy(p.key, login)
	if a := p.accounts[login]; a != nil {
		v = *a.verifier
	}
	return v
}

// scramLogin decides about a login by SCRAM, which proves a key as well if it is bound to
// a CURVE connection. It takes the same steps for each login. Without a key that it needs,
// the answer to a client does not depend on its password.
func (d *domain) scramLogin(req *zap.Request, now time.Time) zap.Reply {
	login, clientKey, raw, _ := req.ScramLogin()
	isBound := req.Mechanism == zap.ScramSHA256Plus
	key := curve.PublicKey(raw)
	var byKey zap.Reply
	var groups []string
	if isBound {
		if why, rule, name := d.keys.revocation(key, now); why != "" {
			return refuseIdentity(why, rule, name)
		}
		if len(d.keys.passwordFor) > 0 {
			byKey, groups = d.keys.decide(key, now)
		}
	}
	v := d.scram.verifier(login)
	matches := v.Matches(clientKey[:])
	a := d.scram.accounts[login]
	userID := login
	if a != nil {
		userID, groups = a.userID, slices.Concat(groups, a.groups)
	}
	rule := d.bothRule(userID, groups)
	isNameless := byKey.Identity == "" && byKey.UserID == key.String()
	switch {
	case a == nil, rule == "" && !matches:
		return refuse(wrongPassword, d.scram.rule)
	case rule == "":
		return a.reply()
	case !isBound:
		return refuseIdentity(needsKey, rule, a.login)
	case byKey.Status != zap.StatusOK:
		return byKey
	case byKey.UserID != a.userID && !isNameless:
		return refuseIdentity(anotherUser, byKey.Rule, byKey.Identity)
	case !matches:
		return refuse(wrongPassword, d.scram.rule)
	}
	reply := a.reply()
	slices.Sort(groups)
	reply.Metadata = withGroups(a.metadata, slices.Compact(groups))
	return reply
}

// reply returns the reply that admits a client as the user of an account.
func (a *account) reply() zap.Reply {
	return zap.Reply{Status: zap.StatusOK, Text: "OK", Rule: a.rule, UserID: a.userID, Identity: a.login, Metadata: a.metadata}
}
