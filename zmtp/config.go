package zmtp

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/sockettype"
	"github.com/zcurve/zcurve/zap"
)

// Limits where a Config leaves them zero.
const (
	defaultHandshakeTimeout = 30 * time.Second
	defaultMaxMessageSize   = 64 << 20
	defaultMaxMetadataSize  = 16 << 10
	defaultMaxParts         = 4096
)

// maxHeartbeat bounds the times of heartbeats, so that sums of them do not overflow.
const maxHeartbeat = math.MaxInt64 / 4

// Config says how to speak ZMTP on a connection. Zero limits mean their defaults. One Config
// can serve any number of connections. Plain data: don't change it while it is in use.
type Config struct {
	// SocketType is the type of this end's socket: REQ, REP, DEALER, ROUTER, PUB, SUB, XPUB,
	// XSUB, PUSH, PULL or PAIR.
	SocketType string
	// RoutingID is this socket's routing id, at most 255 bytes. Only a REQ, DEALER or
	// ROUTER can have one. ZMTP sends it as the property Identity.
	RoutingID []byte

	// Properties go to the peer with the socket type and the routing id, and are in the Claims
	// of its connection. By RFC 23, the names of a program's own properties begin with "X-".
	// A reserved name (see zap.IsReserved) is an error.
	Properties zap.Metadata

	// Mechanism is zap.Null, zap.Plain or zap.Curve, the same on both sides. It has no
	// default, so that nobody forgets to choose.
	Mechanism string

	// Key is the long-term secret key of this side, for CURVE in both roles.
	Key curve.SecretKey
	// ServerKey is the server's long-term public key, for a CURVE client.
	ServerKey curve.PublicKey

	// Username and Password are for a PLAIN client, at most 255 bytes each. They cross the
	// network unencrypted.
	Username string
	Password zap.Password

	// Handler decides, on a server, whether to admit each client; zap.Ask asks it. CURVE
	// and PLAIN require one. NULL without one admits every client.
	Handler zap.Handler
	// Domain is the ZAP domain of the requests to Handler: printable ASCII, at most 255
	// bytes.
	Domain string

	// HandshakeTimeout bounds the whole handshake, including the handler's decision. Zero
	// means 30 seconds. A server gives a sixth of it, but at least 5 seconds, to the
	// client's greeting and first command. A cookie of CURVE is valid for at least 30
	// seconds. With a longer timeout, a slow client may be refused for an expired cookie.
	HandshakeTimeout time.Duration
	// MaxMessageSize bounds the bytes of a message from the peer, all parts together. Zero
	// means 64 MiB. A larger message ends the connection with ErrLimit. An arriving message
	// takes memory of up to twice its size and an eighth, and as much again while Recv
	// copies it. Where an int has 32 bits, the limit is at most 1 GiB.
	MaxMessageSize int
	// MaxMetadataSize bounds the bytes of metadata in a handshake command. Zero means 16
	// KiB. Metadata has at most zap.MaxProperties properties in any case.
	MaxMetadataSize int
	// MaxParts bounds the parts of a message from the peer. Zero means 4,096.
	MaxParts int

	// HeartbeatInterval is the time between the PINGs that this side sends. Zero sends
	// none. Peers that speak ZMTP 3.0 do not know PING and get none. PINGs from the peer
	// are always answered.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long the peer may be silent after a PING was written, and how
	// long it may read nothing of what waits to be written. Then the connection ends with
	// ErrHeartbeat. Zero means HeartbeatInterval.
	//
	// A slow peer that continues to read what was sent before the PING keeps its
	// connection. TCP shows this when a sixteenth of the peer's receive buffer is free
	// again: at most about 400 KiB on Linux. Other systems do not show it. There the timeout
	// must be longer than the peer takes to read what the socket buffers of both sides
	// hold, which can be several MiB.
	//
	// A peer that disappears is noticed within HeartbeatInterval and twice
	// HeartbeatTimeout. A peer that stops reading while much is sent to it is noticed within
	// four times HeartbeatTimeout.
	HeartbeatTimeout time.Duration

	// Log receives warnings and, from a Listener, refused and failed handshakes: once a
	// minute for each cause and address. If Log is nil, nothing is logged.
	Log *slog.Logger

	// Failed, if not nil, is called by a Listener for each handshake that failed, also where
	// the peer closed the connection without a byte, but not because of Close. Unlike Log,
	// it is called every time, and strangers cause these calls as often as they like. peer is
	// nil if its address is not known. Calls come from many goroutines at once. Failed must
	// return quickly: the connection keeps its place until then, and Close waits for it.
	Failed func(peer net.Addr, err error) `json:"-"`

	// InsecureKeyLog, if not nil, makes CURVE connections insecure, for debugging. Each of
	// them writes a line with its keys, as docs/spec/keylog.md describes. With the line and a
	// capture of the connection, anyone can read all of it, for example with zcert decode, and
	// can forge messages while it lasts. The line does not reveal long-term keys.
	//
	// Writes are one line each, and one at a time in the whole program. A Write that blocks
	// blocks all handshakes with a key log. An error of Write ends no connection; the first is
	// logged.
	InsecureKeyLog io.Writer `json:"-"`

	server *curve.Server // of a CURVE server: one for all its connections
	keys   *keyLog       // nil without InsecureKeyLog
}

// CheckClient returns the error that Dial or Client would return for cfg before they touch
// the network.
func (cfg Config) CheckClient() error {
	_, err := cfg.withDefaults(false)
	return err
}

// CheckServer returns the error that Server would return for cfg before it touches the network.
func (cfg Config) CheckServer() error {
	_, err := cfg.withDefaults(true)
	return err
}

// withDefaults returns a checked copy of cfg for the given role.
func (cfg Config) withDefaults(asServer bool) (*Config, error) {
	if !sockettype.Known(cfg.SocketType) {
		return nil, fmt.Errorf("%w: unknown socket type %q: expected one of %s", errConfig, cfg.SocketType, strings.Join(sockettype.All(), ", "))
	}
	if len(cfg.RoutingID) > 255 {
		return nil, fmt.Errorf("%w: RoutingID of %d bytes, at most 255", errConfig, len(cfg.RoutingID))
	}
	if len(cfg.RoutingID) > 0 && (cfg.RoutingID[0] == 0 || !announcesRoutingID(cfg.SocketType)) {
		return nil, fmt.Errorf("%w: a %s cannot have the RoutingID %q", errConfig, cfg.SocketType, cfg.RoutingID)
	}
	if _, err := cfg.Properties.Append(nil); err != nil {
		return nil, fmt.Errorf("%w: Properties: %w", errConfig, withoutName{err})
	}
	for _, p := range cfg.Properties {
		if zap.IsReserved(p.Name) {
			return nil, fmt.Errorf("%w: Properties: %s is reserved", errConfig, p.Name)
		}
	}
	for _, limit := range [...]struct {
		name  string
		value int64
	}{
		{"HandshakeTimeout", int64(cfg.HandshakeTimeout)},
		{"MaxMessageSize", int64(cfg.MaxMessageSize)},
		{"MaxMetadataSize", int64(cfg.MaxMetadataSize)},
		{"MaxParts", int64(cfg.MaxParts)},
		{"HeartbeatInterval", int64(cfg.HeartbeatInterval)},
		{"HeartbeatTimeout", int64(cfg.HeartbeatTimeout)},
	} {
		if limit.value < 0 {
			return nil, fmt.Errorf("%w: negative %s", errConfig, limit.name)
		}
	}
	if strconv.IntSize == 32 && max(cfg.MaxMessageSize, cfg.MaxMetadataSize) > 1<<30 {
		return nil, fmt.Errorf("%w: MaxMessageSize and MaxMetadataSize are 1 GiB at most on a 32-bit system", errConfig)
	}
	if cfg.Handler != nil {
		if _, err := zap.AppendRequest(nil, nil, &zap.Request{Domain: cfg.Domain, Mechanism: zap.Null}); err != nil {
			return nil, fmt.Errorf("%w: Domain: %w", errConfig, withoutName{err})
		}
	}
	cfg.HandshakeTimeout = orDefault(cfg.HandshakeTimeout, defaultHandshakeTimeout)
	cfg.MaxMessageSize = orDefault(cfg.MaxMessageSize, defaultMaxMessageSize)
	cfg.MaxMetadataSize = orDefault(cfg.MaxMetadataSize, defaultMaxMetadataSize)
	cfg.MaxParts = orDefault(cfg.MaxParts, defaultMaxParts)
	cfg.HeartbeatInterval = min(cfg.HeartbeatInterval, maxHeartbeat)
	cfg.HeartbeatTimeout = min(orDefault(cfg.HeartbeatTimeout, cfg.HeartbeatInterval), maxHeartbeat)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.InsecureKeyLog != nil && cfg.keys == nil {
		cfg.keys = &keyLog{to: cfg.InsecureKeyLog, log: cfg.Log}
	}
	if err := cfg.checkMechanism(asServer); err != nil {
		return nil, err
	}
	return &cfg, nil
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// checkMechanism checks what the mechanism needs in that role.
func (cfg *Config) checkMechanism(asServer bool) error {
	switch cfg.Mechanism {
	case zap.Null:
		return nil
	case zap.Plain:
		if !asServer && (len(cfg.Username) > 255 || len(cfg.Password.Reveal()) > 255) {
			return fmt.Errorf("%w: user name or password of more than 255 bytes", errConfig)
		}
	case zap.Curve:
		if cfg.Key.IsZero() {
			return fmt.Errorf("%w: Key: no secret key", errConfig)
		}
		if !asServer {
			if err := cfg.ServerKey.Check(); err != nil {
				return fmt.Errorf("%w: ServerKey: %w", errConfig, withoutName{err})
			}
		} else if cfg.server == nil {
			server, err := curve.NewServer(cfg.Key)
			if err != nil {
				return fmt.Errorf("%w: %w", errConfig, withoutName{err})
			}
			server.InsecureKeyLog = cfg.keys.writer()
			cfg.server = server
		}
	case "":
		return fmt.Errorf("%w: Mechanism is not set: use zap.Null, zap.Plain or zap.Curve", errConfig)
	default:
		return fmt.Errorf("%w: unknown mechanism %q", errConfig, cfg.Mechanism)
	}
	if asServer && cfg.Handler == nil {
		return fmt.Errorf("%w: a %s server needs a Handler", errConfig, cfg.Mechanism)
	}
	return nil
}

// maxCommand returns the size of the largest handshake command, INITIATE with as much
// metadata as it may have.
func (cfg *Config) maxCommand() int { return 512 + min(cfg.MaxMetadataSize, math.MaxInt-512) }
