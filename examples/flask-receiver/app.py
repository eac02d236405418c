from flask import Flask, request, jsonify
import hmac
import hashlib
import json
import os

app = Flask(__name__)

# Your webhook secret
WEBHOOK_SECRET = os.environ.get('NEXTPHONE_WEBHOOK_SECRET')

def verify_signature(payload, signature):
    """Verify webhook signature for security"""
    hash_object = hmac.new(
        WEBHOOK_SECRET.encode('utf-8'),
        json.dumps(payload).encode('utf-8'),
        hashlib.sha256
    )
    expected_signature = hash_object.hexdigest()
    return hmac.compare_digest(expected_signature, signature)

@app.route('/api/webhooks/nextphone', methods=['POST'])
def nextphone_webhook():
    try:
        # 1. Verify signature
        signature = request.headers.get('X-Nextphone-Signature')
        if signature and not verify_signature(request.json, signature):
            return jsonify({'error': 'Invalid signature'}), 403

        # 2. Extract lead data
        lead_data = request.json.get('lead')

        print(f'Received lead: {lead_data}')

        # 3. Validate required fields
        if not lead_data.get('phone'):
            return jsonify({'error': 'Phone number required'}), 400

        # 4. Process the lead
        save_lead_to_crm(lead_data)

        # 5. Return success
        return jsonify({
            'success': True,
            'message': 'Lead processed successfully'
        }), 200

    except Exception as e:
        print(f'Webhook processing error: {e}')
        return jsonify({'error': 'Internal server error'}), 500

def save_lead_to_crm(lead_data):
    """Save lead to your CRM or database"""
    print(f'Saving lead to CRM: {lead_data}')

    # Your integration logic here
    # Example: Insert into database, call CRM API, etc.
    pass

if __name__ == '__main__':
    app.run(port=3000, debug=False)
