package zmtp

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// Limits where a Config leaves them zero.
const (
	defaultHandshakeTimeout = 30 * time.Second
	defaultMaxMessageSize   = 64 << 20
	defaultMaxMetadataSize  = 16 << 10
	defaultMaxParts         = 4096
)

// maxHeartbeat is what is for ever, as a time between heartbeats, and can still be added to
// others.
const maxHeartbeat = math.MaxInt64 / 4

// Config says how to speak on a connection. A zero limit means its default. A
// Config may serve any number of connections and must not be changed meanwhile.
type Config struct {
	// SocketType is what we are to the peer: REQ, REP, DEALER, ROUTER, PUB, SUB, XPUB,
	// XSUB, PUSH, PULL or PAIR.
	SocketType string
	// RoutingID is this socket's routing id, at most 255 bytes. Only a REQ, DEALER or
	// ROUTER can have one. ZMTP sends it as the property Identity.
	RoutingID []byte

	// Mechanism is zap.Null, zap.Plain or
	// zap.Curve. There is no default: security is chosen, not
	// forgotten. Both peers must have the same.
	Mechanism string

	// Key is the long-term secret key, for CURVE in both roles.
	Key curve.SecretKey
	// ServerKey is the server's long-term public key, for a CURVE client.
	ServerKey curve.PublicKey

	// Username and Password, at most 255 octets each, are for a PLAIN client.
	// They cross the network in clear.
	Username string
	Password zap.Password

	// Handler is asked by a server about every client, by zap.Ask. CURVE and PLAIN
	// need one. NULL without one lets everybody in.
	Handler zap.Handler
	// Domain is the ZAP domain of the questions to Handler: printable ASCII, at most
	// 255 octets.
	Domain string

	// HandshakeTimeout bounds the whole handshake, with the handler's decision. A server
	// gives a sixth of it, or 5 s if that is more, to the client's greeting and first
	// command. A cookie of CURVE lives for 30 s at least: with a longer time a slow
	// client may be refused for its cookie all the same.
	HandshakeTimeout time.Duration
	// MaxMessageSize bounds the octets of a message from the peer, all parts
	// together. Beyond it the connection ends with errMessageSize. While a message
	// arrives, memory of up to twice its size and an eighth is taken for it, and the same
	// while Recv copies it. Where an int has 32 bits the limit is 1 GiB at most.
	MaxMessageSize int
	// MaxMetadataSize bounds the octets of a handshake command's metadata. However
	// many they are, it has zap.MaxProperties at most.
	MaxMetadataSize int
	// MaxParts bounds the number of parts of a message from the peer.
	MaxParts int

	// HeartbeatInterval is the time between the PINGs that we send; zero sends
	// none. Peers that speak ZMTP 3.0 don't know them and get none. The peer's PINGs are
	// answered in any case.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long the peer may be silent after a PING was written, and
	// for how long it may take nothing of what is to be written, until the connection
	// ends with ErrHeartbeat. Zero means HeartbeatInterval. A slow peer that goes on
	// reading what was sent before the PING keeps its connection: TCP shows that when a
	// sixteenth of its receive buffer is free again, at most some 400 KiB on Linux. Only
	// Linux tells: on other systems the timeout must be longer than the peer needs to read
	// what the socket buffers of both sides hold, which can be some MiB. A peer that is
	// gone is noticed within HeartbeatInterval and twice HeartbeatTimeout; one that stops
	// reading while much is sent to it, within four times HeartbeatTimeout.
	HeartbeatTimeout time.Duration

	// Log gets what nobody else is told: refused and failed handshakes of a
	// Listener, once a minute for each cause and address, and warnings. Nil discards.
	Log *slog.Logger

	server *curve.Server // of a CURVE server: one for all its connections
}

// CheckClient returns the errConfig that Dial and Client would return.
func (cfg Config) CheckClient() error {
	_, err := cfg.withDefaults(false)
	return err
}

// withDefaults returns a checked copy of cfg for the given role.
func (cfg Config) withDefaults(asServer bool) (*Config, error) {
	if _, ok := peers[cfg.SocketType]; !ok {
		return nil, fmt.Errorf("%w: unknown socket type %q: expected one of %s", errConfig, cfg.SocketType, socketTypes)
	}
	if len(cfg.RoutingID) > 255 {
		return nil, fmt.Errorf("%w: RoutingID of %d bytes, at most 255", errConfig, len(cfg.RoutingID))
	}
	if len(cfg.RoutingID) > 0 && (cfg.RoutingID[0] == 0 || !announcesRoutingID(cfg.SocketType)) {
		return nil, fmt.Errorf("%w: a %s cannot have the RoutingID %q", errConfig, cfg.SocketType, cfg.RoutingID)
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
			return nil, fmt.Errorf("%w: Domain: %w", errConfig, err)
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
			return fmt.Errorf("%w: user name or password of more than 255 octets", errConfig)
		}
	case zap.Curve:
		if cfg.Key.IsZero() {
			return fmt.Errorf("%w: Key: no secret key", errConfig)
		}
		if !asServer {
			if err := cfg.ServerKey.Check(); err != nil {
				return fmt.Errorf("%w: ServerKey: %w", errConfig, err)
			}
		} else if cfg.server == nil {
			server, err := curve.NewServer(cfg.Key)
			if err != nil {
				return fmt.Errorf("%w: %w", errConfig, err)
			}
			cfg.server = server
		}
	case "":
		return fmt.Errorf("%w: no mechanism", errConfig)
	default:
		return fmt.Errorf("%w: unknown mechanism %q", errConfig, cfg.Mechanism)
	}
	if asServer && cfg.Handler == nil {
		return fmt.Errorf("%w: a %s server needs a Handler to ask who may connect", errConfig, cfg.Mechanism)
	}
	return nil
}

// maxCommand is the largest handshake command that is read: INITIATE with all
// the metadata it may have, which is the longest.
func (cfg *Config) maxCommand() int { return 512 + min(cfg.MaxMetadataSize, math.MaxInt-512) }
