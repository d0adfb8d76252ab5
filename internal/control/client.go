package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/zmtp"
)

// Client asks a daemon. Not safe for concurrent use.
type Client struct{ conn *zmtp.Conn }

// Dial connects to the door at an endpoint. link says how the connection is secured.
func Dial(ctx context.Context, at string, link zmtp.Config) (*Client, error) {
	link.SocketType = "REQ"
	conn, err := zmtp.Dial(ctx, at, link)
	if err != nil {
		return nil, err
	}
	return &Client{conn}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.CloseNow() }

// Ask sends a request and returns the JSON of its result. The error is an *Error if the
// daemon says why the request failed.
func (c *Client) Ask(ctx context.Context, req Request) (json.RawMessage, error) {
	req.Version = Version
	text, err := encode(req)
	if err != nil {
		return nil, err
	}
	if err := c.conn.Send(ctx, nil, text); err != nil {
		return nil, err
	}
	frames, err := c.conn.Recv(ctx)
	if err != nil {
		return nil, err
	}
	var reply Reply
	if err := json.Unmarshal(frames[len(frames)-1], &reply); err != nil {
		return nil, fmt.Errorf("malformed reply: %w", err)
	}
	switch {
	case reply.Error != nil:
		return nil, reply.Error
	case reply.Result == nil:
		return nil, errors.New("malformed reply: no result")
	}
	return reply.Result, nil
}
