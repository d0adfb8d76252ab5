package monitor

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/zap"
)

// Advice says how a client that was refused can be admitted, as far as zauth's configuration
// tells. Its functions are called from many goroutines at once. The zero value knows nothing
// about the configuration.
type Advice struct {
	// AdmitTo is the keystore of --admit-to. If it is "", zauth itself admits no keys.
	AdmitTo string
	// Keystore returns the URL of the keystore that knows or revokes a key, and the file of its
	// certificate. Both can be "". If Keystore is nil, they are.
	Keystore func(curve.PublicKey) (url, file string)
	// Groups returns the groups that a domain admits. If it is nil, they are not known.
	Groups func(domain string) []string
	// Admits reports whether a domain admits clients in the keystore AdmitTo. If it is nil, all
	// domains do.
	Admits func(domain string) bool
}

// advice is a command that admits a client, and what to do in words. In the command, words in
// capitals stand for what zauth can't know. Both can be "".
type advice struct{ command, words string }

// remedies are the advice for the reasons of package policy, by their beginnings.
var remedies = []struct {
	reason string
	advice func(Advice, *Event) advice
}{
	{"unknown key", Advice.unknownKey},
	{"not in an allowed group", Advice.group},
	{"certificate expired", sign("renew the certificate")},
	{"certificate not yet valid", words("check the clocks, or wait until the certificate is valid")},
	{"not signed by a trusted authority", sign("sign the certificate")},
	{"certificate revoked", words("an authority revoked it: generate a new key for the client, and sign that")},
	{"key revoked", Advice.unrevoke},
	{"revocation list expired", listExpired},
	{"revocation list not yet valid", words("check the clocks")},
	{"invalid certificate in the keystore", words("replace the certificate in the keystore")},
	{"no rule for this domain", noRule},
	{"NULL is not allowed", property("let the client use CURVE", "anonymous = 1")},
	{"PLAIN is not allowed", property("let the client use CURVE", "plain = 1")},
	{"CURVE is not allowed", property("", "curve = 1")},
	{"GSSAPI is not allowed", property("", "gssapi = 1")},
	{zap.ScramSHA256, words("add a verifier to the account: zauth hash --scram")},
	{"unknown principal", words("add its principal to gssapi in the section")},
	{"wrong user name or password", words("check the user name, and give the account a new password: zauth hash")},
	{"needs a password as well", words("let the client also authenticate with its password, by SASL")},
	{"needs a key as well", words("let the client connect by CURVE, and authenticate with its password by SASL")},
	{"address denied", words("remove the deny line of the rule, or deny a smaller network")},
	{"address not allowed", notAllowed},
	{"not an IP address", words("remove allow, deny and limits from the section, or let the client connect by TCP")},
	{"too many failures", words("find the client at this address that fails; a minute after its last failures, the address is admitted again")},
	{"no keystore of services that may ask", words("start zauth with --askers")},
}

// about returns the advice for an event that is a refusal.
func (a Advice) about(e *Event) (command, words string) {
	if e.Status != int(zap.StatusRefused) {
		return "", ""
	}
	for _, r := range remedies {
		if strings.HasPrefix(e.Reason, r.reason) {
			found := r.advice(a, e)
			return found.command, found.words
		}
	}
	return "", ""
}

// isRevoked reports whether a refusal says that a key or certificate is revoked.
func isRevoked(reason string) bool {
	return strings.HasPrefix(reason, "key revoked") || strings.HasPrefix(reason, "certificate revoked")
}

// words returns an advice without a command.
func words(text string) func(Advice, *Event) advice {
	return func(Advice, *Event) advice { return advice{words: text} }
}

// property returns the advice to add a property to the section of the policy.
func property(first, line string) func(Advice, *Event) advice {
	return func(_ Advice, e *Event) advice {
		text := fmt.Sprintf("add %q to the section for the domain %q", line, e.Domain)
		if first != "" {
			text = first + ", or " + text
		}
		return advice{words: text}
	}
}

func (a Advice) unknownKey(e *Event) advice {
	const compare = "compare the fingerprint with the client's owner first"
	command := a.admit(e.Fingerprint, e.Name, e.Domain)
	if command == "" || e.Key == "" {
		return advice{words: compare + `; then add the certificate to a keystore of this domain: zcert store add URL FILE`}
	}
	return advice{command, compare}
}

// admit returns the command of zauth that admits an unknown key to a domain, or "" if zauth can't.
func (a Advice) admit(fingerprint, name, domain string) string {
	if a.AdmitTo == "" || a.Admits != nil && !a.Admits(domain) {
		return ""
	}
	var groups []string
	if a.Groups != nil {
		groups = a.Groups(domain)
	}
	return AdmitCommand(fingerprint, name, groups)
}

// AdmitCommand returns the command that admits an unknown key with a name and in one of some
// groups, if there are any. It names the fingerprint, which people compare, and which needs no
// quotes. If the name is "", the command has NAME in its place, and for several groups GROUP.
func AdmitCommand(fingerprint, name string, groups []string) string {
	command := "zauth admit " + fingerprint + " --name " + quote(cmp.Or(name, "NAME"))
	switch len(groups) {
	case 0:
		return command
	case 1:
		return command + " --group " + quote(groups[0])
	}
	return command + " --group GROUP"
}

// withKey returns a command with a key as its last argument. A key can begin with a hyphen, as
// an option does.
func withKey(command, key string) string {
	if strings.HasPrefix(key, "-") {
		command += " --"
	}
	return command + " " + quote(key)
}

// quote returns a text for a shell. Unlike a file's, its beginning can be a hyphen.
func quote(text string) string {
	if strings.HasPrefix(text, "-") {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return cli.Quote(text)
}

// keystore returns the keystore of an event's key, and the file of its certificate.
func (a Advice) keystore(e *Event) (url, file string) {
	key, err := curve.ParsePublicKey(e.Key)
	if err != nil || a.Keystore == nil {
		return "", ""
	}
	return a.Keystore(key)
}

func (a Advice) group(e *Event) advice {
	group := "GROUP"
	if a.Groups != nil {
		if groups := a.Groups(e.Domain); len(groups) > 0 {
			group = groups[0]
		}
	}
	found := advice{words: "add the client to a group that the section admits"}
	if url, file := a.keystore(e); file != "" {
		found.command = fmt.Sprintf("zcert store add %s %s --name %s --group %s", cli.Quote(url), cli.Quote(file), quote(e.Identity), quote(group))
	}
	return found
}

// sign returns the advice to sign a certificate.
func sign(text string) func(Advice, *Event) advice {
	return func(a Advice, e *Event) advice {
		found := advice{words: text + ": zcert sign"}
		if _, file := a.keystore(e); file != "" {
			found = advice{fmt.Sprintf("zcert sign %s --authority NAME.authority_secret --valid 90d", cli.Quote(file)), text}
		}
		return found
	}
}

func (a Advice) unrevoke(e *Event) advice {
	found := advice{words: "generate a new key for the client, or undo the revocation if nobody else can have the key: zcert store unrevoke"}
	if url, _ := a.keystore(e); url != "" {
		found.command = withKey("zcert store unrevoke "+cli.Quote(url), e.Key)
	}
	return found
}

func listExpired(Advice, *Event) advice {
	return advice{words: "renew the revocation list: zcert revoke --authority NAME.authority_secret"}
}

func noRule(_ Advice, e *Event) advice {
	return advice{words: fmt.Sprintf("add a section to the policy: security, domain = %q; or correct the domain that the service names", e.Domain)}
}

func notAllowed(_ Advice, e *Event) advice {
	return advice{words: fmt.Sprintf("add a line to the section: allow = %s", cmp.Or(e.Address, "ADDRESS"))}
}
