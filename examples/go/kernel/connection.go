package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// connection is Jupyter's connection file: where a kernel listens, and the secrets that it
// shares with its clients.
type connection struct {
	Transport   string `json:"transport"`
	IP          string `json:"ip"`
	ShellPort   int    `json:"shell_port"`
	IOPubPort   int    `json:"iopub_port"`
	StdinPort   int    `json:"stdin_port"`
	ControlPort int    `json:"control_port"`
	HBPort      int    `json:"hb_port"`
	Scheme      string `json:"signature_scheme"`
	Key         string `json:"key"`
	// The key pair of the kernel, in Z85. Jupyter 8.9 and later write it if they encrypt.
	CurvePublicKey string `json:"curve_publickey"`
	CurveSecretKey string `json:"curve_secretkey"`
}

// maxConnectionFile is the most bytes that a connection file may have.
const maxConnectionFile = 64 << 10

// readConnection reads a connection file. It refuses a file that other users can read: they
// could run code here.
func readConnection(path string) (connection, error) {
	var c connection
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return c, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return c, fmt.Errorf("%s: other users can read this file (mode %04o): run chmod 600, and make new keys", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxConnectionFile))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if c.Scheme != "hmac-sha256" || c.Key == "" {
		return c, fmt.Errorf("%s: no key for hmac-sha256, which signs messages", path)
	}
	return c, nil
}

// security returns CURVE with the kernel's key pair, or NULL if the file has none.
func (c connection) security() (zmq4.Security, error) {
	if c.CurvePublicKey == "" && c.CurveSecretKey == "" {
		return nil, nil
	}
	key, err := curve.ParseSecretKey(c.CurveSecretKey)
	if err != nil {
		return nil, fmt.Errorf("curve_secretkey: %w", err)
	}
	if public := key.Public().String(); public != c.CurvePublicKey {
		return nil, errors.New("curve_publickey does not belong to curve_secretkey")
	}
	return zmq4.CurveServer(key, "jupyter", zap.HandlerFunc(admit)), nil
}

// admit admits every CURVE client. Jupyter's clients generate key pairs as they need them,
// so the kernel can't know their keys. It need not: CURVE connects only clients that know
// the kernel's public key, which is a secret here. Only the connection file has it, and only
// its owner can read that. Messages are signed with another key from the file as well.
func admit(_ context.Context, req *zap.Request) zap.Reply {
	if _, ok := req.CurveKey(); !ok {
		return zap.Refuse("not CURVE")
	}
	return zap.Allow("owner of the connection file")
}

// endpoint returns where a channel listens.
func (c connection) endpoint(port int) string {
	if c.Transport == "ipc" {
		return fmt.Sprintf("ipc://%s-%d", c.IP, port)
	}
	return fmt.Sprintf("%s://%s:%d", c.Transport, c.IP, port)
}
