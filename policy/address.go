package policy

import (
	"net/netip"
	"strings"

	"github.com/zcurve/zcurve/zap"
)

// client is a client's address, parsed once for each request.
type client struct {
	ip    netip.Addr // unmapped and without a zone; invalid without an address
	ipv4  netip.Addr // the IPv4 address in ip, if ip is in nat64
	zone  string     // the zone of a link-local address, which exists on every link
	owner string     // libzmq's "localhost:UID" for ipc
	bad   bool       // the text is neither empty nor an address
}

// nat64 holds IPv4 addresses in the last 32 bits (RFC 6052, section 2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// parseClient parses the address in a request.
func parseClient(address string) (c client) {
	if address == "" {
		return c
	}
	if owner, ok := parseIPC(address); ok {
		c.owner = owner
		return c
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		c.bad = true
		return c
	}
	if ip.Is4() {
		c.ip = ip
		return c
	}
	if ip.IsLinkLocalUnicast() {
		c.zone = ip.Zone()
	}
	c.ip = ip.Unmap().WithZone("")
	if nat64.Contains(c.ip) {
		bytes := c.ip.As16()
		c.ipv4 = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return c
}

// parseIPC parses the address that libzmq sends for a client over ipc,
// localhost:UID:GID:PID, and returns localhost:UID.
func parseIPC(address string) (owner string, ok bool) {
	rest, ok := strings.CutPrefix(address, "localhost:")
	if !ok {
		return "", false
	}
	uid, rest, ok1 := strings.Cut(rest, ":")
	gid, pid, ok2 := strings.Cut(rest, ":")
	if !ok1 || !ok2 || !isNumber(uid) || !isNumber(gid) || pid != "" && !isNumber(pid) {
		return "", false
	}
	return address[:len("localhost:")+len(uid)], true
}

func isNumber(s string) bool {
	return s != "" && len(s) <= 10 && strings.Trim(s, "0123456789") == ""
}

// check returns the reason why the domain refuses an address, and the rule. The reason is
// "" if it does not refuse it.
func (d *domain) check(c *client) (reason, rule string) {
	if len(d.allow) == 0 && len(d.deny) == 0 {
		return "", ""
	}
	if c.bad {
		return "not an IP address", d.rule
	}
	for _, ip := range [...]netip.Addr{c.ip, c.ipv4} {
		if rule, ok := match(d.deny, ip); ok {
			return "address denied", rule
		}
	}
	if len(d.allow) == 0 {
		return "", ""
	}
	// An IPv4 address translated by NAT64 does not count as allowed: anyone may run the
	// translator.
	if _, ok := match(d.allow, c.ip); ok {
		return "", ""
	}
	return "address not allowed", d.rule
}

// match returns the rule of the first network that contains an address.
func match(networks []network, a netip.Addr) (rule string, ok bool) {
	for i := range networks {
		if networks[i].prefix.Contains(a) {
			return networks[i].rule, true
		}
	}
	return "", false
}

// malformed describes the error in a request's credentials, or returns "". It does not
// check keys: the lookup does.
func malformed(req *zap.Request) string {
	n := len(req.Credentials)
	switch {
	case req.Mechanism == zap.Null && n != 0:
		return "expected no credentials"
	case req.Mechanism == zap.Plain && n != 2:
		return "expected a user name and a password"
	case req.Mechanism == zap.Plain && (len(req.Credentials[0]) > maxLogin || len(req.Credentials[1]) > maxLogin):
		return "user name or password too long"
	case isScram(req.Mechanism):
		if name, _, _, ok := req.ScramLogin(); !ok {
			return "expected a user name and a ClientKey"
		} else if len(name) > maxLogin {
			return "user name too long"
		}
	case req.Mechanism == zap.GSSAPI && (n != 1 || len(req.Credentials[0]) == 0):
		return "expected one principal"
	}
	return ""
}

// maxLogin is the size in bytes of the longest user name and of the longest password
// (RFC 24).
const maxLogin = 255
