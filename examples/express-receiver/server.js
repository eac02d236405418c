const express = require('express');
const crypto = require('crypto');
const app = express();

// Middleware to parse JSON bodies
app.use(express.json());

// Your webhook secret (for signature verification)
const WEBHOOK_SECRET = process.env.NEXTPHONE_WEBHOOK_SECRET;

// Verify webhook signature (security best practice)
function verifySignature(payload, signature) {
  const hash = crypto
    .createHmac('sha256', WEBHOOK_SECRET)
    .update(JSON.stringify(payload))
    .digest('hex');
  return hash === signature;
}

// Webhook endpoint
app.post('/api/webhooks/nextphone', async (req, res) => {
  try {
    // 1. Verify signature (if using signed webhooks)
    const signature = req.headers['x-nextphone-signature'];
    if (signature && !verifySignature(req.body, signature)) {
      console.error('Invalid webhook signature');
      return res.status(403).json({ error: 'Invalid signature' });
    }

    // 2. Extract lead data from payload
    const leadData = req.body.lead;

    console.log('Received lead:', leadData);

    // 3. Validate required fields
    if (!leadData.phone) {
      return res.status(400).json({ error: 'Phone number required' });
    }

    // 4. Process the lead (save to database, send to CRM, etc.)
    await saveLeadToCRM(leadData);

    // 5. Send success response (important: NextPhone expects 2xx status)
    res.status(200).json({
      success: true,
      message: 'Lead processed successfully'
    });

  } catch (error) {
    console.error('Webhook processing error:', error);
    // Return 500 so NextPhone retries
    res.status(500).json({ error: 'Internal server error' });
  }
});

// Example CRM save function
async function saveLeadToCRM(leadData) {
  // Your CRM integration logic here
  // Could be: Database insert, API call to HubSpot/Salesforce, etc.
  console.log('Saving lead to CRM:', leadData);

  // Example: Insert into PostgreSQL
  // await db.query(
  //   'INSERT INTO leads (name, phone, email, notes) VALUES ($1, $2, $3, $4)',
  //   [leadData.name, leadData.phone, leadData.email, leadData.notes]
  // );
}

// Start server
const PORT = process.env.PORT || 3000;
app.listen(PORT, () => {
  console.log(`Webhook receiver listening on port ${PORT}`);
});
